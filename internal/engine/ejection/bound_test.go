package ejection

import (
	"fmt"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Whether an endpoint fails half of its attempts or had bad luck shows after some
// number of attempts, and no test whatever can do with fewer on average than the
// logarithm of how many of a healthy one's attempts it may take for bad luck,
// divided by what each says (Lorden, "Procedures for reacting to a change in
// distribution", 1971). Ours needs four more at most, of which more than one is for half a tick, at ten a second.
func TestABadEndpointIsOutAfterAsManyAttemptsAsAnyTestNeeds(t *testing.T) {
	const warm, rate = 10 * time.Second, 100
	worlds := max(*seeds, 300)
	if underRace {
		worlds = max(*seeds, 60)
	}
	for _, fails := range []float64{0, 0.001, 0.01, 0.05} {
		usual := healthy(20*time.Millisecond, 0.5, fails)
		attempts, late := 0, 0
		for seed := range worlds {
			endpoints := fleetOf(10, usual)
			endpoints[3] = from(warm, never, erring(0.5, outcome.Bad, usual), usual)
			w := newWorld(seed, policy.HouseEjection(), rate, endpoints...)
			out := never
			w.decided = func(at time.Duration, c Change) {
				if c.Index == 3 && c.To == Ejected {
					out = min(out, at)
				}
			}
			w.sent = func(at time.Duration, k int, _ bool) {
				if k == 3 && at >= warm && out == never {
					attempts++
				}
			}
			w.run(warm + 10*time.Second)
			if out > warm+2*time.Second {
				late++
			}
		}
		mean := float64(attempts) / float64(worlds)
		needed := beyondChance / divergence(1, 0.5+fails/2, max(fails, least))
		t.Logf("%.1f%% fail: out after %.1f attempts, any test needs %.1f; after more than 2 s in %d of %d", 100*fails, mean, needed, late, worlds)
		if mean > needed+4 {
			t.Errorf("%.1f%% of the attempts on its peers fail, and it is out after %.1f attempts, where any test needs %.1f", 100*fails, mean, needed)
		}
	}
}

// Fleets of different sizes of which nobody is bad. At ten attempts a second chance
// ejects an endpoint once in 270 hours or more, if 1 % or 5 % of its attempts fail, and
// once in 80 if 5 % do and it has but two peers.
func TestChanceEjectsRarelyWhateverTheSizeOfTheFleet(t *testing.T) {
	const each = 10
	hours := 10.0
	if underRace {
		hours = 1
	}
	for _, size := range []int{3, 10, 100} {
		for _, fails := range []float64{0.001, 0.01, 0.05} {
			lasting := time.Duration(hours / float64(size) * float64(time.Hour))
			w := newWorld(*seeds, policy.HouseEjection(), each*float64(size), fleetOf(size, healthy(20*time.Millisecond, 0.5, fails))...)
			t.Run(fmt.Sprintf("%d, %.1f%% fail", size, 100*fails), func(t *testing.T) {
				if n := ejections(t, w, lasting); n > 2 {
					t.Errorf("%d ejections in %v hours of an endpoint", n, hours)
				}
			})
		}
	}
}
