package channel_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A connection that is lost after the peer's headers have come was lost, as any
// other: it does not count against the limit of attempts. A peer that says
// UNAVAILABLE after its headers has said so.
func TestWhatIsLostAfterHeadersIsLost(t *testing.T) {
	twice := map[string]*surefootv1.MethodContract{
		"Get":   {Method: &surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: proto.Int32(2)}}},
		"Watch": {Method: &surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: proto.Int32(2)}}},
	}
	die := func(s *server) error {
		time.Sleep(10 * time.Millisecond) // the headers are there
		s.kill()
		return status.Error(codes.Aborted, "nobody hears it")
	}
	say := func(*server) error {
		time.Sleep(10 * time.Millisecond)
		return status.Error(codes.Unavailable, "not now")
	}
	for _, c := range []struct {
		name    string
		then    func(*server) error
		verdict string
		first   int // attempts that fail so
		want    codes.Code
	}{
		{"lost", die, "lost", 3, codes.OK},
		{"said", say, "fault", 2, codes.Unavailable},
	} {
		for _, kind := range []string{"unary", "stream"} {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					failed := 0
					w := newWorld(t, 5, func(s *server) {
						s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
							if r.GetSku() == "warm" || failed == c.first {
								return &inventoryv1.GetResponse{}, nil
							}
							failed++
							if err := grpc.SendHeader(ctx, metadata.Pairs("is", "here")); err != nil {
								return nil, err
							}
							return nil, c.then(s)
						}
						s.watch = func(_ *inventoryv1.WatchRequest, out inventoryv1.Inventory_WatchServer) error {
							if failed == c.first {
								return out.Send(&inventoryv1.WatchResponse{})
							}
							failed++
							if err := out.SendHeader(metadata.Pairs("is", "here")); err != nil {
								return err
							}
							return c.then(s)
						}
					}, trusting(), contractOf(twice, nil))
					defer w.close()
					for range 5 { // the budget earns
						w.warm()
					}
					var err error
					if kind == "unary" {
						_, err = w.stub.Get(t.Context(), getRequest)
					} else {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						stream, opened := w.stub.Watch(ctx, &inventoryv1.WatchRequest{})
						if opened != nil {
							t.Fatal(opened)
						}
						_, err = stream.Recv()
					}
					if status.Code(err) != c.want {
						t.Errorf("the call: %v", err)
					}
					_, attempts := w.seen()
					if len(attempts) < c.first {
						t.Fatalf("attempts: %+v", attempts)
					}
					for _, a := range attempts[:c.first] {
						if a.Verdict != c.verdict || !a.MayHaveBeenApplied {
							t.Errorf("attempt %d: %s, may have been applied: %v", a.Number, a.Verdict, a.MayHaveBeenApplied)
						}
					}
				})
			})
		}
	}
}
