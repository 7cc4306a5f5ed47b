package ejection

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// ejections returns how often anybody was ejected.
func ejections(t *testing.T, w *world, lasting time.Duration) int {
	t.Helper()
	n := 0
	w.decided = func(at time.Duration, c Change) {
		if c.To == Ejected && c.From != OnTrial {
			n++
			if n <= 3 {
				t.Logf("%v: endpoint %d: %s", at, c.Index, c.Why)
			}
		}
	}
	w.run(lasting)
	return n
}

// pausing answers nothing for 200 ms every ten seconds, as a collection of
// garbage does.
func pausing(b behaviour) behaviour {
	return func(now time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence) {
		const every, pause = 10 * time.Second, 200 * time.Millisecond
		d, e := b(now, rnd)
		return d + max(0, pause-now%every), e
	}
}

// mixed is a service with a fast method and, one call in ten, a slow one.
func mixed(b behaviour) behaviour {
	return func(now time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence) {
		d, e := b(now, rnd)
		if rnd.IntN(10) == 0 {
			d *= 50
		}
		return d, e
	}
}

// Ten endpoints that are well, for an hour. Chance ejects one in eight hours, if
// 5 % of their attempts fail, and one in thirty, if they are merely slow at
// random: so once is not a mistake.
func TestTheHealthyStayIn(t *testing.T) {
	for _, c := range []struct {
		name string
		b    behaviour
		rate float64
		hedging
	}{
		{"1% fail, 10/s", healthy(20*time.Millisecond, 0.7, 0.01), 10, hedging{}},
		{"1% fail, 100/s", healthy(20*time.Millisecond, 0.7, 0.01), 100, hedging{}},
		{"1% fail, 1000/s", healthy(20*time.Millisecond, 0.7, 0.01), 1000, hedging{}},
		{"5% fail, 100/s", healthy(20*time.Millisecond, 0.7, 0.05), 100, hedging{}},
		{"30% fail, 100/s", healthy(20*time.Millisecond, 0.7, 0.3), 100, hedging{}},
		{"a wide spread, 100/s", healthy(20*time.Millisecond, 1.5, 0.01), 100, hedging{}},
		{"a wide spread, 1000/s", healthy(20*time.Millisecond, 1.5, 0.01), 1000, hedging{}},
		{"two methods, 100/s", mixed(healthy(5*time.Millisecond, 0.5, 0.01)), 100, hedging{}},
		{"pauses, 100/s", pausing(healthy(5*time.Millisecond, 0.5, 0.01)), 100, hedging{}},
		{"pauses, 1000/s", pausing(healthy(5*time.Millisecond, 0.5, 0.01)), 1000, hedging{}},
		{"hedges after the percentile, 100/s", healthy(20*time.Millisecond, 0.7, 0.01), 100, hedging{after: 63 * time.Millisecond, limit: 0.05}},
		{"many hedges after what is typical, 100/s", healthy(20*time.Millisecond, 0.7, 0.01), 100, hedging{after: 20 * time.Millisecond, limit: 1}},
		{"two methods and hedges, 100/s", mixed(healthy(5*time.Millisecond, 0.5, 0.01)), 100, hedging{after: 20 * time.Millisecond, limit: 0.2}},
		{"pauses and hedges, 1000/s", pausing(healthy(5*time.Millisecond, 0.5, 0.01)), 1000, hedging{after: 20 * time.Millisecond, limit: 0.2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			lasting := time.Hour
			if c.rate > 100 && *seeds < 10 {
				lasting = 10 * time.Minute
			}
			if underRace {
				lasting /= 6
			}
			w := newWorld(*seeds, policy.HouseEjection(), c.rate, fleetOf(10, c.b)...)
			w.hedging = &c.hedging
			if n := ejections(t, w, lasting); n > 1 {
				t.Errorf("%d ejections in %v", n, lasting)
			} else {
				t.Logf("%d ejections in %v", n, lasting)
			}
		})
	}
}

// Pauses that do not come together are seen by the peers.
func TestAPauseOfOneEndpointDoesNotEjectIt(t *testing.T) {
	usual := healthy(5*time.Millisecond, 0.5, 0)
	endpoints := fleetOf(10, usual)
	endpoints[0] = pausing(usual)
	for _, rate := range []float64{100, 1000, 3000} {
		w := newWorld(3, policy.HouseEjection(), rate, endpoints...)
		if n := ejections(t, w, 2*time.Minute); n > 0 {
			t.Errorf("%v/s: %d ejections", rate, n)
		}
	}
}

// When everybody goes bad at once nobody is an outlier.
func TestNobodyIsEjectedWhenAllAreBad(t *testing.T) {
	usual := healthy(10*time.Millisecond, 0.5, 0.001)
	const fault, healed = 20 * time.Second, 60 * time.Second
	for name, bad := range map[string]behaviour{
		"slow":               slowed(10, usual),
		"failing":            erring(1, outcome.Bad, usual),
		"broken":             erring(1, outcome.RateOnly, usual),
		"half of it failing": erring(0.5, outcome.Bad, usual),
		"half of it broken":  erring(0.5, outcome.RateOnly, usual),
		"overloaded":         erring(0.3, outcome.Bad, slowed(20, usual)),
	} {
		for _, size := range []int{1, 2, 3, 10, 50} {
			total, worlds := 0, 0
			for _, perEndpoint := range []float64{3, 10, 100} {
				if most := 1000.0; perEndpoint*float64(size) > most || underRace && perEndpoint*float64(size) > most/4 {
					continue
				}
				for seed := range *seeds {
					w := newWorld(seed, policy.HouseEjection(), perEndpoint*float64(size), fleetOf(size, from(fault, healed, bad, usual))...)
					total += ejections(t, w, 80*time.Second)
					worlds++
				}
			}
			if total > worlds/10 { // two or three cannot always tell at once
				t.Errorf("%s, %d endpoints: %d ejections in %d worlds", name, size, total, worlds)
			}
		}
	}
}
