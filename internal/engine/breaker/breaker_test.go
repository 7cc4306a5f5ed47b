package breaker

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// The percentage is exact, however many calls there are.
func TestAHalfIsAHalf(t *testing.T) {
	for _, c := range []struct {
		good, bad int
		want      State
	}{{1000, 999, Closed}, {999, 999, Open}, {1001, 999, Closed}} {
		b := New(policy.Breaker{Window: time.Minute, MinCalls: c.good + c.bad, FailurePercent: 50, Open: time.Second, Trials: 1, Successes: 1}, start)
		for i := range c.good + c.bad {
			v := outcome.Success
			if i >= c.good {
				v = outcome.Fault
			}
			ticket, _, _ := b.Allow(start, 0)
			b.Done(start, ticket, v, 0)
		}
		if got := b.State(); got != c.want {
			t.Errorf("%d of %d failed: %v, want %v", c.bad, c.good+c.bad, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for s, want := range []string{"closed", "open", "half-open", ""} {
		if got := State(s).String(); got != want {
			t.Errorf("state %d is %q, want %q", s, got, want)
		}
	}
	for r := Admitted; r <= Full; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no words", r)
		}
	}
	if got := (Full + 1).String(); got != "" {
		t.Errorf("no reason is %q", got)
	}
}

func TestOnlyADenialThatIsNoDryRunDenies(t *testing.T) {
	for d, want := range map[Denial]bool{
		{}:                                   false,
		{DryRun: true}:                       false,
		{Reason: Throttled}:                  true,
		{Reason: Throttled, DryRun: true}:    false,
		{Reason: CircuitOpen, Wait: 1 << 30}: true,
	} {
		if d.Denied() != want {
			t.Errorf("%+v denies: %v", d, !want)
		}
	}
}

func TestTheZeroTicketHoldsNothing(t *testing.T) {
	p := policy.HouseBreaker()
	p.MaxInFlight = 1
	b := New(p, start)
	if c := b.Done(start, Ticket{}, outcome.Fault, 0); c != nil {
		t.Error(c)
	}
	rest, c := b.Answered(start, Ticket{})
	if rest != (Ticket{}) || c != nil {
		t.Error(rest, c)
	}
	if s := b.Status(start); s.InFlight != 0 || s.Failed != 0 || s.Succeeded != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTheThrottleIsExact(t *testing.T) {
	p := policy.HouseBreaker()
	p.MinCalls = 4
	edge, _ := bits.Div64(2, 0, 5) // (4-2)/5 of all dice
	for random, want := range map[uint64]bool{0: true, edge: true, edge + 1: false} {
		b := New(p, start)
		b.counts.Add(start, succeeded, 1)
		b.counts.Add(start, refused, 3)
		b.pressed = true
		b.publish()
		if _, d, _ := b.Allow(start, random); d.Denied() != want {
			t.Errorf("dice %x: %v", random, d.Reason)
		}
	}
}

// The throttle's formula, for dice on both sides of it.
func TestTheThrottleHoldsBackWhatTheBookSays(t *testing.T) {
	for _, c := range []struct {
		k, most            int
		succeeded, refused int
		percent            int // is held back, exactly
	}{
		{200, 90, 100, 0, 0},
		{200, 90, 50, 50, 0},
		{200, 90, 24, 75, 51},  // (99-48)/100
		{200, 90, 9, 40, 62},   // (49-18)/50
		{110, 90, 70, 29, 22},  // (99-77)/100
		{1000, 90, 10, 89, 0},  // (99-100)/100
		{200, 90, 0, 99, 90},   // 99/100, cut
		{200, 30, 24, 75, 30},  // cut
		{200, 90, 1, 3, 40},    // (4-2)/5: the minimum of calls
		{200, 90, 0, 3, 0},     // below the minimum
		{200, 90, 1000, 10, 0}, // hardly any
	} {
		p := policy.HouseBreaker()
		p.MinCalls, p.Throttle = 4, policy.Throttle{AcceptPercent: c.k, MaxPercent: c.most}
		fill := func() *Breaker {
			b := New(p, start)
			b.counts.Add(start, succeeded, uint32(c.succeeded))
			b.counts.Add(start, refused, uint32(c.refused))
			b.pressed = true
			b.publish()
			return b
		}
		if got := fill().Status(start).ThrottlePercent; got != c.percent {
			t.Errorf("%+v: status says %d %%", c, got)
		}
		for percent := range 100 {
			// The middle of each hundredth of the dice.
			random := uint64(percent)*(1<<57)/50*64 + 1<<57/100*64
			_, d, _ := fill().Allow(start, random)
			if d.Denied() != (percent < c.percent) || d.Denied() && d.Reason != Throttled {
				t.Errorf("%+v: with dice of %d.5 %%: %v", c, percent, d.Reason)
				break
			}
		}
	}
}

// Time that goes backwards stands still.
func TestAClockThatIsSetBack(t *testing.T) {
	b := New(policy.HouseBreaker(), start)
	for range 20 {
		ticket, _, _ := b.Allow(start, 0)
		b.Done(start+-time.Hour, ticket, outcome.Fault, 0)
	}
	if b.State() != Open {
		t.Error(b.State())
	}
}

// Many callers at once: never more in flight, or on trial, than may be, and
// nothing is left over.
func TestManyCallersAtOnce(t *testing.T) {
	p := policy.HouseBreaker()
	p.MaxInFlight = 5
	p.Open, p.MaxOpen = time.Millisecond, 0
	b := New(p, start)
	var clock, running, most, changes atomic.Int64
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				now := start + time.Duration(clock.Add(1))*10*time.Microsecond
				ticket, d, c := b.Allow(now, uint64(i)<<40)
				if c != nil {
					changes.Add(1)
				}
				if d.Denied() {
					continue
				}
				for n := running.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				running.Add(-1)
				v := [...]outcome.Verdict{outcome.Success, outcome.Fault, outcome.Refusal, outcome.Abandoned}[(i/100+caller)%4]
				if c := b.Done(now, ticket, v, 0); c != nil {
					changes.Add(1)
				}
			}
		})
	}
	wg.Wait()
	s := b.Status(start + time.Hour)
	if most.Load() > 5 || s.InFlight != 0 || s.Trials != 0 {
		t.Errorf("at most %d in flight, %+v is left", most.Load(), s)
	}
	// Trials that another goroutine's time passes by make room for others, which is no
	// change that anyone is told of.
	if told := changes.Load(); int64(b.epoch) < told {
		t.Errorf("%d changes, told of %d", b.epoch, told)
	}
}

func TestAnAdmittedCallAllocatesNothing(t *testing.T) {
	p := policy.HouseBreaker()
	p.MaxInFlight = 5
	b := New(p, start)
	if n := testing.AllocsPerRun(100, func() {
		ticket, _, _ := b.Allow(start, 1)
		b.Done(start, ticket, outcome.Success, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
