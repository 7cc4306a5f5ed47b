package breaker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// take makes a call that takes so long and ends with this verdict.
func take(b *Breaker, now, took time.Duration, v outcome.Verdict) {
	t, _, _ := b.Allow(now, 0)
	b.Done(now+took, t, v, 0)
}

// A call that ran out of time counts if it had what the contract gives, or twice
// what calls take, or, while nobody knows that, a tenth of what the contract gives.
func TestWhoHadEnoughTime(t *testing.T) {
	const ms, window = time.Millisecond, 10 * time.Second
	for _, c := range []struct {
		name            string
		took            []time.Duration // by calls of before
		verdict         outcome.Verdict // on them
		ago             time.Duration   // when they ended
		given, contract time.Duration
		want            bool
	}{
		{name: "nothing known, a tenth", given: 100 * ms, contract: time.Second, want: true},
		{name: "nothing known, less", given: 99 * ms, contract: time.Second},
		{name: "nothing known, no contract", given: 1, want: true},
		{name: "twice what it takes", took: []time.Duration{50 * ms}, verdict: outcome.Success, given: 100 * ms, contract: time.Hour, want: true},
		{name: "less than twice", took: []time.Duration{50 * ms}, verdict: outcome.Success, given: 99 * ms, contract: time.Hour},
		{name: "less than twice, no contract", took: []time.Duration{50 * ms}, verdict: outcome.Success, given: 99 * ms},
		{name: "all that the contract gives", took: []time.Duration{900 * ms}, verdict: outcome.Success, given: time.Second, contract: time.Second, want: true},
		{name: "an answer takes its time, too", took: []time.Duration{50 * ms}, verdict: outcome.Answer, given: 99 * ms},
		{name: "what fails fast is not fast", took: []time.Duration{1 * ms}, verdict: outcome.Fault, given: 99 * ms, contract: time.Second},
		{name: "who was abandoned tells nothing", took: []time.Duration{time.Second}, verdict: outcome.Abandoned, given: 100 * ms, contract: time.Second, want: true},
		{name: "known until a window has passed", took: []time.Duration{time.Second}, verdict: outcome.Success, ago: window - 1, given: time.Second, contract: 10 * time.Second},
		{name: "forgotten then", took: []time.Duration{time.Second}, verdict: outcome.Success, ago: window, given: time.Second, contract: 10 * time.Second, want: true},
		{
			name: "one that was slow is one of many", took: []time.Duration{50 * ms, 50 * ms, 50 * ms, 5 * time.Second, 50 * ms}, verdict: outcome.Success,
			given: 110 * ms, contract: 10 * time.Second, want: true,
		},
	} {
		b := New(policy.HouseBreaker(), start)
		now := start
		for _, d := range c.took {
			take(b, now, d, c.verdict)
			now += d
		}
		if got := b.Fair(now+c.ago, c.given, c.contract); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// What is typical is near the median, wherever it began: no more than one call of
// three is beyond it, or before it, by a third.
func TestWhatIsTypicalIsTheMedian(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, first := range []time.Duration{time.Microsecond, time.Minute} {
			var p pace
			p.follow(start, time.Hour, first)
			var took, at []time.Duration
			for i := range 4000 {
				d := time.Duration(r.ExpFloat64() * float64(100*time.Millisecond)) // median 69 ms
				p.follow(start, time.Hour, d)
				if i >= 1000 {
					took, at = append(took, d), append(at, p.typical)
				}
			}
			slices.Sort(took)
			slices.Sort(at)
			median := took[len(took)/2]
			if low, high := at[len(at)/20], at[len(at)*19/20]; low < median*6/10 || high > median*16/10 {
				t.Errorf("from %v with seed %d: %v to %v, and the median is %v", first, seed, low, high, median)
			}
		}
	}
}

// What was learnt goes over when nobody has succeeded for a window: the next
// success is believed as the first was.
func TestAPaceThatIsForgottenBeginsAnew(t *testing.T) {
	b := New(policy.HouseBreaker(), start)
	take(b, start, time.Second, outcome.Success)
	take(b, start+time.Minute, 10*time.Millisecond, outcome.Success)
	if !b.Fair(start+time.Minute, 20*time.Millisecond, time.Hour) {
		t.Error("a second is still typical")
	}
}
