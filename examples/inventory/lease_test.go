package inventory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// requests is a stream of one request.
type requests struct {
	grpc.BidiStreamingServer[inventoryv1.KeepAliveRequest, inventoryv1.KeepAliveResponse]
	next *inventoryv1.KeepAliveRequest
	ttl  int64
}

func (r *requests) Recv() (*inventoryv1.KeepAliveRequest, error) {
	if r.next == nil {
		return nil, status.Error(codes.Canceled, "no more")
	}
	next := r.next
	r.next = nil
	return next, nil
}

func (r *requests) Send(m *inventoryv1.KeepAliveResponse) error {
	r.ttl = m.GetTtlMs()
	return nil
}

func TestALeaseHoldsUntilItIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := inventory.New("one")
		servers := []*inventory.Service{one, one.Replica("two")}
		for i := range 5 {
			r := &requests{next: &inventoryv1.KeepAliveRequest{LeaseId: "a", TtlMs: 1000}}
			_ = servers[i%2].KeepAlive(r)
			if r.ttl != 1000 || !one.Holds("a") {
				t.Errorf("renewal %d: a TTL of %d, held %v", i, r.ttl, one.Holds("a"))
			}
			time.Sleep(999 * time.Millisecond)
		}
		time.Sleep(time.Millisecond)
		r := &requests{next: &inventoryv1.KeepAliveRequest{LeaseId: "a", TtlMs: 1000}}
		if _ = one.KeepAlive(r); r.ttl != 0 || one.Holds("a") {
			t.Errorf("after its end: a TTL of %d, held %v", r.ttl, one.Holds("a"))
		}
	})
}

func TestALeaseThatMakesNoSenseIsRefused(t *testing.T) {
	one := inventory.New("one")
	for _, req := range []*inventoryv1.KeepAliveRequest{
		{TtlMs: 1000}, {LeaseId: "a"}, {LeaseId: "a", TtlMs: -1}, {LeaseId: "a", TtlMs: 1 << 62},
	} {
		if err := one.KeepAlive(&requests{next: req}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", req, err)
		}
	}
}
