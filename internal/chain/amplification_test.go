package chain_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// Three layers that repeat three times each would make 27 attempts of a call
// at the bottom. The breakers are off: they would hold back most of the calls.
func TestThreeLayersThatFailDoNotMultiply(t *testing.T) {
	for _, percent := range []int{100, 50} {
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(1, uint64(percent)))
		bottom := func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			if dice.IntN(100) < percent {
				return nil, unavailable
			}
			return &inventoryv1.GetResponse{}, nil
		}
		synctest.Test(t, func(t *testing.T) { testThreeLayers(t, fmt.Sprint(percent, " % fail"), bottom) })
	}
}

// A service that takes longer than anybody waits is repeated by those who wait
// the shortest, all of them.
func TestThreeLayersThatHangDoNotMultiply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testThreeLayers(t, "all hang", func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	})
}

func testThreeLayers(t *testing.T, what string, get func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error)) {
	const perSecond, seconds = 50, 60
	const made = perSecond * seconds
	n := newNetwork(t)
	defer n.close()
	client, tiers := n.chainOf(3, contractOf(&surefootv1.Method{Breaker: &surefootv1.Breaker{Off: new(true)}}))
	for _, bottom := range tiers[2] {
		bottom.get = get
	}
	var calls sync.WaitGroup
	for range made {
		calls.Go(func() { _, _ = client.Get(t.Context(), anvil) })
		pass(t, time.Second/perSecond)
	}
	calls.Wait()
	for i, name := range []string{"top", "middle", "bottom"} {
		t.Logf("%s: %.3f attempts per call at the %s", what, float64(reached(tiers[i]))/made, name)
	}
	// 1/s for each of the two channels to the bottom.
	if got, most := float64(reached(tiers[2])), 1.2*made+2*seconds; got > most {
		t.Errorf("%s: %v attempts at the bottom for %d calls, want at most %v", what, got, made, most)
	}
}

// The breaker of the layer that calls the bottom opens, and those above do not: each
// of them would have to try for itself, one after the other, when the bottom has healed.
func TestAChainRecoversWhenItsBottomDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, fails, heals = 50, 15, 20 // seconds
		n := newNetwork(t)
		defer n.close()
		client, tiers := n.chainOf(3)
		var down atomic.Bool
		for _, bottom := range tiers[2] {
			bottom.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if down.Load() {
					return nil, unavailable
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}
		run := func(seconds int) (failed int) {
			for range perSecond * seconds {
				if _, err := client.Get(t.Context(), anvil); err != nil {
					failed++
				}
				pass(t, time.Second/perSecond)
			}
			return failed
		}
		run(10)
		down.Store(true)
		before := reached(tiers[2])
		run(fails)
		if made := reached(tiers[2]) - before; made > perSecond*fails/2 {
			t.Errorf("%d attempts at the bottom for %d calls: no breaker holds them back", made, perSecond*fails)
		}
		down.Store(false)
		// Five seconds open, and the trials.
		t.Logf("%d calls failed in the six seconds after it had healed", run(6))
		if failed := run(heals); failed > 0 {
			t.Errorf("%d of %d calls failed later", failed, perSecond*heals)
		}
	})
}

// A service that asks for no repeat of its own failures fails, for the breaker of
// whoever calls it. For those above, who are passed these failures on, it is not the
// service that they call that fails.
func TestTheBreakerOfAServiceThatWantsNoRepeatIsThatOfItsCaller(t *testing.T) {
	for name, serve := range map[string]func(*testing.T) service{
		"of Surefoot": func(t *testing.T) service { return surefootService(t) },
		"of others":   func(*testing.T) service { return plainService() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				n.serve("bottom", serve(t), &tier{get: func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					_ = grpc.SetTrailer(ctx, metadata.Pairs(pushback, "-1"))
					return nil, unavailable
				}})
				opened := make(map[string]string) // by whose client
				noting := func(whose string) surefoot.ClientOption {
					return surefoot.WithObserver(&observe.Observer{Breaker: func(c observe.BreakerChange) { opened[whose] += c.To + " " }})
				}
				n.serve("middle", surefootService(t), &tier{below: n.client([]string{"bottom"}, noting("the middle's"))})
				n.serve("top", surefootService(t), &tier{below: n.client([]string{"middle"}, noting("the top's"))})
				client := n.client([]string{"top"}, noting("the caller's"))
				var trailer metadata.MD
				for range 100 {
					if _, err := client.Get(t.Context(), anvil, grpc.Trailer(&trailer)); status.Code(err) != codes.Unavailable {
						t.Fatal(err)
					}
					pass(t, 10*time.Millisecond)
				}
				if len(opened) != 1 || opened["the middle's"] != "open " {
					t.Errorf("breakers opened: %v, want the middle's alone", opened)
				}
				if trailer[relayed] != nil || len(trailer[pushback]) != 1 {
					t.Errorf("the user sees %v", trailer)
				}
			})
		})
	}
}
