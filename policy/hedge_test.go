package policy

import (
	"testing"
	"time"
)

func TestWhenAHedgeStarts(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		h     Hedge
		q     time.Duration
		known bool
		want  time.Duration
	}{
		{"nothing is said", Hedge{}, 0, false, 0},
		{"after a fixed delay", Hedge{Delay: 20 * ms, MaxHedges: 1}, 0, false, 20 * ms},
		{"whatever is known", Hedge{Delay: 20 * ms, MaxHedges: 1}, 90 * ms, true, 20 * ms},
		{"if any may", Hedge{Delay: 20 * ms}, 0, false, 0},
		{"at the quantile", Hedge{ExtraLoadPercent: 5, MaxHedges: 1}, 90 * ms, true, 90 * ms},
		{"not before the delay", Hedge{Delay: 100 * ms, ExtraLoadPercent: 5, MaxHedges: 1}, 90 * ms, true, 100 * ms},
		{"not before a millisecond", Hedge{ExtraLoadPercent: 5, MaxHedges: 1}, 1, true, ms},
		{"not while the quantile is unknown", Hedge{ExtraLoadPercent: 5, MaxHedges: 1}, 0, false, 0},
		{"or after the delay then", Hedge{Delay: 20 * ms, ExtraLoadPercent: 5, MaxHedges: 1}, 0, false, 20 * ms},
	} {
		if got := c.h.After(c.q, c.known); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for load, want := range map[int]int{0: 0, 1: 990, 5: 950, 50: 500} {
		if got := (Hedge{Delay: ms, ExtraLoadPercent: load, MaxHedges: 1}).Permille(); got != want {
			t.Errorf("an extra load of %d%% is the quantile %d, want %d", load, got, want)
		}
	}
}

func TestTimesThatAreObserved(t *testing.T) {
	const ms = time.Millisecond
	on := Observed{QuantilePermille: 990, FactorPercent: 150, Floor: 10 * ms, Ceiling: 200 * ms}
	for _, c := range []struct {
		name  string
		o     Observed
		fixed time.Duration
		q     time.Duration
		known bool
		want  time.Duration
	}{
		{"off", Observed{FactorPercent: 150}, 500 * ms, 40 * ms, true, 500 * ms},
		{"unknown", on, 500 * ms, 0, false, 500 * ms},
		{"known", on, 500 * ms, 40 * ms, true, 60 * ms},
		{"below the floor", on, 500 * ms, ms, true, 10 * ms},
		{"above the ceiling", on, 500 * ms, time.Second, true, 200 * ms},
		{"the fixed time is the ceiling", Observed{QuantilePermille: 990, FactorPercent: 200}, 500 * ms, time.Second, true, 500 * ms},
		{"the ceiling prevails", Observed{QuantilePermille: 990, FactorPercent: 200, Floor: 100 * ms}, 50 * ms, ms, true, 50 * ms},
		{"no fixed time, unknown", on, 0, 0, false, 0},
		{"no fixed time", on, 0, 40 * ms, true, 60 * ms},
	} {
		if got := c.o.Time(c.fixed, c.q, c.known); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
