package attempt

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A quiet fleet is many channels of one call a second each, with the house
// defaults, of a service that fails.
const (
	quietChannels = 500
	quietBefore   = 30 // seconds in which nothing fails
	quietAfter    = 60 // seconds in which the service does
)

// quiet returns how many calls the fleet made in each second, and how many
// attempts, if each attempt after quietBefore fails with this chance in percent.
func quiet(seed uint64, percent, channels int) (calls, attempts [quietBefore + quietAfter + 1]int) {
	unary, _, channel := policy.House()
	unary.Safety = policy.Idempotent
	r := rand.New(rand.NewPCG(seed, uint64(percent)))
	for range channels {
		budget := NewBudget(channel.Budget, start)
		phase := time.Duration(r.Int64N(int64(time.Second)))
		for second := range quietBefore + quietAfter {
			now := at(time.Duration(second)*time.Second + phase)
			c := newCall(&unary, budget, termsOf(&unary, now+unary.Deadline))
			calls[second]++
			for step := c.Begin(now); step.Action != Done; {
				switch step.Action {
				case Wait:
					now += step.For
					step = c.Resume(now)
				default:
					attempts[int((now-start)/time.Second)]++
					now += time.Millisecond
					v := outcome.Success
					if second >= quietBefore && r.IntN(100) < percent {
						v = outcome.Fault
					}
					step = c.Finish(now, v, outcome.Pushback{}, true, r.Uint64())
				}
			}
		}
	}
	return calls, attempts
}

// The floor of each channel would let the fleet double the load of a service
// that is down, or add half of it at the moment when it goes down.
func TestAQuietFleetDoesNotPileOnAServiceThatIsDown(t *testing.T) {
	for _, c := range []struct {
		percent int
		window  float64 // the most attempts per call within any ten seconds
		minute  float64 // and in the minute in which it is down
	}{
		{percent: 100, window: 1.2, minute: 1.2},
		{percent: 50, window: 1.4, minute: 1.4},
	} {
		var worst float64
		for seed := range uint64(3) {
			calls, attempts := quiet(seed, c.percent, quietChannels)
			sum := func(from, to int) float64 {
				made, extra := 0, 0
				for s := from; s < to; s++ {
					made += calls[s]
					extra += attempts[s] - calls[s]
				}
				return 1 + float64(extra)/float64(made)
			}
			for s := range quietBefore + quietAfter - 10 + 1 {
				worst = max(worst, sum(s, s+10))
			}
			if got := sum(quietBefore, quietBefore+quietAfter); got > c.minute {
				t.Errorf("%d %% fail: %.3f attempts per call in a minute, want at most %.2f", c.percent, got, c.minute)
			} else {
				t.Logf("%d %% fail: %.3f attempts per call in the minute", c.percent, got)
			}
		}
		if worst > c.window {
			t.Errorf("%d %% fail: %.3f attempts per call in ten seconds, want at most %.2f", c.percent, worst, c.window)
		} else {
			t.Logf("%d %% fail: at most %.3f attempts per call in ten seconds", c.percent, worst)
		}
	}
}
