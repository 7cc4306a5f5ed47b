package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// settled returns a balancer of n endpoints that are ready, as grpc-go has it.
func settled(t *testing.T, n int, service *surefootv1.Service) *fleetBalancer {
	t.Helper()
	cc := &fakeConn{}
	b, _ := fleetWith(t, service, func() uint64 { return 0 }).balancer(cc).(*fleetBalancer)
	if err := b.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: endpointsOf(n)}}); err != nil {
		t.Fatal(err)
	}
	cc.settle()
	time.Sleep(coalesce)
	synctest.Wait()
	return b
}

// The trials of an endpoint that is out go to calls that can be repeated, one at a
// time; to others once there are no such calls.
func TestTrialsAreForCallsThatCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t, 5, nil)
		defer b.Close()
		f, bad := b.fleet, b.endpoints[0]
		// carry makes calls, which bad fails, until ok.
		carry := func(ok func() bool) {
			t.Helper()
			for range 10_000 {
				if ok() {
					return
				}
				for range 10 {
					e := f.Picker().Pick(&balance.Request{})
					v := outcome.Good
					if e == bad {
						v = outcome.Bad
					}
					e.Testify(f.clock(), v, time.Millisecond)
				}
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
			}
			t.Fatal("it did not come to that")
		}
		due := func() bool { return bad.record.TrialDue(f.clock()) }
		trial := func(r balance.Request, repeatable bool) *Endpoint { return f.Picker().Trial(&r, repeatable) }

		carry(func() bool { return f.Picker().Len() == 4 })
		carry(due)
		f.RepeatableSeen(f.clock())
		if trial(balance.Request{}, false) != nil {
			t.Error("a call is risked that cannot be repeated")
		}
		if trial(balance.Request{Avoid: []*balance.Endpoint{&bad.Endpoint}}, true) != nil {
			t.Error("a call tries an endpoint that it must avoid")
		}
		if trial(balance.Request{Shut: 1 << bad.Group()}, true) != nil {
			t.Error("a call tries an endpoint of a group that is shut to it")
		}
		if trial(balance.Request{}, true) != bad {
			t.Error("a call that can be repeated makes no trial")
		}
		if trial(balance.Request{}, true) != nil {
			t.Error("two trials run at once")
		}
		time.Sleep(waiting)
		carry(due)
		if trial(balance.Request{}, false) != bad {
			t.Error("no call can be repeated, and no other makes the trial")
		}
	})
}

// Without a panic threshold all may be out: then calls go to all.
func TestCallsGoToAllIfAllAreOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t, 3, &surefootv1.Service{Balance: &surefootv1.Balance{PanicPercent: new(int32(0))}})
		defer b.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		for out := 1; out <= 3; out++ {
			b.suspected(b.endpoints[out-1], true)
			b.publish()
			if got, want := b.fleet.Picker().Len(), 3-out%3; got != want {
				t.Errorf("%d of 3 are out, and calls go to %d, want %d", out, got, want)
			}
		}
	})
}
