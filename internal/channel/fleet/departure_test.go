package fleet

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/connectivity"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
)

// picks returns the addresses that calls go to.
func (f *Fleet) picks() (addrs []string) {
	p := f.Picker()
	if p == nil {
		return nil
	}
	for i := range 100 {
		e := p.Pick(&balance.Request{Random: uint64(i), Key: uint64(i) << 48, Keyed: true})
		if e != nil && !slices.Contains(addrs, e.Address()) {
			addrs = append(addrs, e.Address())
		}
	}
	slices.Sort(addrs)
	return addrs
}

func addressesOf(lo, hi int) (addrs []string) {
	for _, e := range endpointsOf(hi)[lo:] {
		addrs = append(addrs, e.Addresses[0].Addr)
	}
	return addrs
}

// What is no longer listed is used while too few of the others are ready, for a
// while; the last that works for as long as it does. So it is with keys.
func TestWhatLeavesIsUsedWhileItIsNeeded(t *testing.T) {
	for name, policy := range map[string]*surefootv1.Balance{
		"round robin":     nil,
		"consistent hash": {Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cc, b := bring(t, 4, &surefootv1.Service{Balance: policy})
				defer b.Close()
				for _, s := range cc.subs {
					s.end(connectivity.Ready)
				}
				wait := func(d time.Duration) {
					time.Sleep(d)
					synctest.Wait()
				}
				expect := func(when string, lo, hi int) {
					t.Helper()
					if got, want := b.fleet.picks(), addressesOf(lo, hi); !slices.Equal(got, want) {
						t.Errorf("%s, calls go to %v, want %v", when, got, want)
					}
				}
				found(t, b, endpointsOf(8)[4:]) // none of which is ready
				for range 5 {
					wait(farewellAfter)
				}
				expect("with nobody else ready", 0, 4)
				cc.subs[4].end(connectivity.Ready)
				wait(coalesce)
				if policy == nil { // a key has its place among those that are listed
					expect("with one of four ready", 0, 5)
				}
				wait(farewellAfter)
				expect("after a while", 4, 5)
				for i, s := range cc.subs {
					if s.shut != (i < 4) {
						t.Errorf("connection %d: shut down is %v", i, s.shut)
					}
				}
			})
		})
	}
}

// With half of those that are listed ready, nobody else is needed.
func TestWhatLeavesGoesOnceOthersCanDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 2, nil)
		defer b.Close()
		for _, s := range cc.subs {
			s.end(connectivity.Ready)
		}
		found(t, b, endpointsOf(6)[2:])
		cc.subs[2].end(connectivity.Ready)
		time.Sleep(coalesce)
		synctest.Wait()
		if got, want := b.fleet.picks(), addressesOf(0, 3); !slices.Equal(got, want) {
			t.Errorf("with one of four ready, calls go to %v, want %v", got, want)
		}
		cc.subs[3].end(connectivity.Ready)
		time.Sleep(coalesce)
		synctest.Wait()
		if got, want := b.fleet.picks(), addressesOf(2, 4); !slices.Equal(got, want) {
			t.Errorf("with two of four ready, calls go to %v, want %v", got, want)
		}
	})
}
