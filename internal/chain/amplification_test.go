package chain_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// Three layers that repeat three times each would make 27 attempts of a call
// at the bottom.
func TestThreeLayersThatFailDoNotMultiply(t *testing.T) {
	for _, percent := range []int{100, 50} {
		synctest.Test(t, func(t *testing.T) { testThreeLayers(t, percent) })
	}
}

func testThreeLayers(t *testing.T, percent int) {
	const perSecond, seconds = 50, 60
	n := newNetwork(t)
	defer n.close()
	client, tiers := n.chainOf(3)
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(1, uint64(percent)))
	for _, bottom := range tiers[2] {
		bottom.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			if dice.IntN(100) < percent {
				return nil, unavailable
			}
			return &inventoryv1.GetResponse{}, nil
		}
	}
	var calls sync.WaitGroup
	for range perSecond * seconds {
		calls.Go(func() { _, _ = client.Get(t.Context(), anvil) })
		pass(t, time.Second/perSecond)
	}
	calls.Wait()
	const made = perSecond * seconds
	for i, name := range []string{"top", "middle", "bottom"} {
		t.Logf("%d %% fail: %.3f attempts per call at the %s", percent, float64(reached(tiers[i]))/made, name)
	}
	// 1/s for each of the two channels to the bottom.
	if got, most := float64(reached(tiers[2])), 1.2*made+2*seconds; got > most {
		t.Errorf("%d %% fail: %v attempts at the bottom for %d calls, want at most %v", percent, got, made, most)
	}
}
