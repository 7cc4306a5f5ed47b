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

// A call that ran out of time counts if it had what the contract gives, or what
// calls typically take, or, while nobody knows that, a tenth of what the contract gives.
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
		{name: "what it takes", took: []time.Duration{50 * ms}, verdict: outcome.Success, given: 50 * ms, contract: time.Hour, want: true},
		{name: "less", took: []time.Duration{50 * ms}, verdict: outcome.Success, given: 49 * ms, contract: time.Hour},
		{name: "less than what all take", took: []time.Duration{50 * ms, 50 * ms}, verdict: outcome.Success, given: 49 * ms, contract: time.Hour},
		{name: "less, no contract", took: []time.Duration{50 * ms}, verdict: outcome.Success, given: 49 * ms},
		{name: "all that the contract gives", took: []time.Duration{1100 * ms}, verdict: outcome.Success, given: time.Second, contract: time.Second, want: true},
		{name: "an answer takes its time, too", took: []time.Duration{50 * ms}, verdict: outcome.Answer, given: 49 * ms},
		{name: "what fails fast is not fast", took: []time.Duration{1 * ms}, verdict: outcome.Fault, given: 99 * ms, contract: time.Second},
		{name: "who was abandoned tells nothing", took: []time.Duration{time.Second}, verdict: outcome.Abandoned, given: 100 * ms, contract: time.Second, want: true},
		{name: "known until a window has passed", took: []time.Duration{time.Second}, verdict: outcome.Success, ago: window - 1, given: time.Second - 1, contract: 9 * time.Second},
		{name: "forgotten then", took: []time.Duration{time.Second}, verdict: outcome.Success, ago: window, given: time.Second - 1, contract: 9 * time.Second, want: true},
		{
			name: "one that was slow is one of many", took: []time.Duration{50 * ms, 50 * ms, 50 * ms, 5 * time.Second, 50 * ms}, verdict: outcome.Success,
			given: 55 * ms, contract: 10 * time.Second, want: true,
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
	if !b.Fair(start+time.Minute, 10*time.Millisecond, time.Hour) {
		t.Error("a second is still typical")
	}
}

// A service that becomes too slow for callers who all give alike is seen, though the
// calls that still succeed take nearly as long as they may.
func TestABrownOutIsSeenByCallersThatGiveLessThanTheContract(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		b, now := New(policy.HouseBreaker(), start), start
		const given, contract = time.Second, 10 * time.Second
		for range 500 {
			took, v := time.Duration(float64(given)*(0.8+0.6*r.Float64())), outcome.Success // a third is in time
			if took > given {
				if took, v = given, outcome.Expired; !b.Fair(now, given, contract) {
					t.Fatalf("with seed %d a call of %v says nothing", seed, given)
				}
			}
			take(b, now, took, v)
			now += 10 * time.Millisecond
		}
		if b.State() == Closed {
			t.Errorf("seed %d: closed", seed)
		}
	}
}
