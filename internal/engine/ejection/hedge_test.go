package ejection

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// hedging is how the calls of a world hedge: after a delay, as long as hedges are
// at most this part of the calls.
type hedging struct {
	after time.Duration
	limit float64

	calls, made float64
}

// may reports whether a call whose attempt takes this long is hedged.
func (h *hedging) may(latency time.Duration) bool {
	h.calls++
	if h.after == 0 || latency <= h.after || h.made >= h.limit*h.calls {
		return false
	}
	h.made++
	return true
}

// One endpoint of ten becomes twenty times slower, and the calls are hedged, so
// that most of its attempts are cancelled before they have an answer. From two
// seconds later its share of the attempts, trials and hedges included, is one in a
// hundred at most nevertheless, and it comes back within 15 s.
func TestHedgesDoNotHideASlowEndpoint(t *testing.T) {
	const (
		typical = 20 * time.Millisecond
		fault   = 10 * time.Second
		healed  = fault + 20*time.Second
	)
	usual := healthy(typical, 0.5, 0)
	worlds := max(*seeds, 50)
	if underRace {
		worlds = max(*seeds, 4)
	}
	for _, c := range []struct {
		name string
		hedging
	}{
		{"no hedges", hedging{}},
		{"5 % after their percentile", hedging{after: typical * 228 / 100, limit: 0.05}},
		{"all, after their percentile", hedging{after: typical * 228 / 100, limit: 0.2}},
		{"all, after three times what is typical", hedging{after: 3 * typical, limit: 0.2}},
	} {
		for _, rate := range []float64{100, 300} {
			var worst float64
			var out, back time.Duration
			others, broken := 0, 0
			for seed := range worlds {
				endpoints := fleetOf(10, usual)
				endpoints[3] = from(fault, healed, slowed(20, usual), usual)
				w := newWorld(seed, policy.HouseEjection(), rate, endpoints...)
				h := c.hedging
				w.hedging = &h
				all, its, gone, again := 0, 0, never, never
				w.sent = func(at time.Duration, k int, _ bool) {
					if at >= fault+2*time.Second && at < healed {
						all++
						if k == 3 {
							its++
						}
					}
				}
				w.decided = func(at time.Duration, c Change) {
					switch {
					case c.Index != 3 && c.To == Ejected:
						others++
					case c.Index != 3:
					case c.To == Ejected:
						gone = min(gone, at)
					case c.To == In:
						again = at
					}
				}
				w.run(healed + 20*time.Second)
				share := float64(its) / float64(all)
				worst, out, back = max(worst, share), max(out, gone-fault), max(back, again-healed)
				if share > 0.01 || again-healed > 15*time.Second {
					broken++
				}
			}
			t.Logf("%s, %v/s: share at most %.2f%%, out within %v, back within %v, %d others ejected, broken in %d of %d",
				c.name, rate, 100*worst, out, back, others, broken, worlds)
			if broken > 0 || others > 0 {
				t.Error("that breaks the promise")
			}
		}
	}
}
