package attempt

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A Hedging is what a call that may hedge knows of its attempts, of which
// several are then in flight: at most one that is no hedge, and the hedges. The
// driver orders all that it asks and tells of such a call.
type Hedging struct {
	delay time.Duration
	limit *Budget

	inFlight  int32         // attempts of either kind
	started   int32         // hedges
	over      bool          // one attempt has ended the call; the others are cancelled
	stopped   bool          // the server wants no more attempts
	vacant    bool          // what is no hedge has failed, and its repeat waits for the hedges
	notBefore time.Duration // when the server that asked for most time wants the next one
}

// Hedge lets the call start hedges, each when the attempts before it have taken
// delay. limit bounds the hedges of all calls that share it, beside the budget;
// nil is no such bound. h is the call's own, and zero. It is called before Begin,
// and does nothing for a call that must not hedge.
func (c *Call) Hedge(h *Hedging, delay time.Duration, limit *Budget) {
	if c.hedges() > 0 && delay > 0 {
		h.delay, h.limit = delay, limit
		c.hedging = h
	}
}

// hedges returns how many hedges the call may start.
func (c *Call) hedges() int {
	if !c.Repeatable() {
		return 0
	}
	return c.method.Hedge.MaxHedges
}

// MayHedge reports whether the call may start another hedge, now or later.
func (c *Call) MayHedge() bool {
	h := c.hedging
	return h != nil && !h.over && !h.stopped && int(h.started) < c.hedges() && c.mayStart()
}

// HedgeAfter returns how long the attempt that has just started may take until
// StartHedge is asked, 0 for never.
func (c *Call) HedgeAfter() time.Duration {
	if !c.MayHedge() {
		return 0
	}
	return c.hedging.delay
}

// mayStart reports whether the limit allows an attempt more than those that
// have ended or are in flight.
func (c *Call) mayStart() bool {
	return !c.spent(c.counted + c.flying())
}

// flying returns how many attempts are in flight beside the one that begins or
// ends.
func (c *Call) flying() int32 {
	if c.hedging == nil {
		return 0
	}
	return c.hedging.inFlight
}

// StartHedge says that the attempts in flight have taken as long as HedgeAfter
// said, and asks for a hedge. fresh says whether an endpoint is ready that was not
// tried by this call and on which none of its attempts is in flight. The answer is
// Start, or Await for none: ask again after as long, while MayHedge.
func (c *Call) StartHedge(now time.Duration, fresh bool) Step {
	h := c.hedging
	if !c.MayHedge() || h.inFlight == 0 || h.vacant || !fresh || now < h.notBefore || c.late(now) {
		return Step{Action: Await}
	}
	// Both must pay, or neither.
	if h.limit != nil && !h.limit.Hold(now) {
		return Step{Action: Await}
	}
	paid := c.budget.Pay(now)
	if h.limit != nil {
		if paid {
			h.limit.PayHeld(now)
		} else {
			h.limit.Release()
		}
	}
	if !paid {
		return Step{Action: Await}
	}
	h.started++
	c.paid++
	return c.start(now, "hedge")
}

// FinishHedge is Finish for a hedge.
func (c *Call) FinishHedge(now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool, r uint64) Step {
	return c.ended(now, v, pb, fresh, r, true)
}

// beside tells what the end of one attempt means while others go on. A hedge
// must never make a call worse than it would be without: what a hedge fails
// with ends nothing while another attempt may succeed, unless it is an answer of
// the application; and what would end the call without hedges ends it.
func (c *Call) beside(now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool, r uint64, hedge bool) Step {
	h := c.hedging
	h.stopped = h.stopped || pb.Stop && v.Failure()
	if pb.Given {
		h.notBefore = max(h.notBefore, now+pb.After)
	}
	const goOn = "other attempts go on"
	switch {
	case v == outcome.Success, v == outcome.Answer, v == outcome.Abandoned, v == outcome.Expired:
		return c.decide(now, v, pb, fresh, r)
	case hedge:
		c.count(v, fresh)
		c.missed = c.missed || v == outcome.Missing
		return Step{Action: Await, Why: goOn}
	}
	none := c.unplaced
	step := c.decide(now, v, pb, fresh, r)
	switch {
	case step.Action == Wait:
		// Not at once: a hedge is likely to be about to answer.
		h.vacant = true
		return Step{Action: Await, For: max(step.For, h.delay), Why: goOn}
	case c.refused || none:
		c.refused = false // not yet: the hedges decide
		return Step{Action: Await, Why: goOn}
	default:
		return step
	}
}

// ResumeBeside goes on after an Await with a wait: the hedges did not answer
// meanwhile, so that the repeat starts beside them. The answer is Start, or Await
// for none: with a wait if a hedge was told to come back later meanwhile.
func (c *Call) ResumeBeside(now time.Duration) Step {
	h := c.hedging
	if !h.vacant || h.over || h.stopped || !c.mayStart() || c.late(now) {
		return Step{Action: Await}
	}
	if h.notBefore > now {
		return Step{Action: Await, For: h.notBefore - now, Why: pushback}
	}
	if step := c.Resume(now); step.Action == Start {
		return step
	}
	c.refused = false // not yet: the hedges decide
	return Step{Action: Await}
}

// late reports whether it is too late for another attempt.
func (c *Call) late(now time.Duration) bool {
	return passed(c.terms.Deadline, now) || passed(c.repeatBy, now)
}

// HedgeLimit returns the budget that bounds the hedges of a method to the extra
// load that it states, nil if it states none. (Finagle's BackupRequestFilter has
// one, too: a quantile of the past does not bound what is sent when all becomes
// slow.)
func HedgeLimit(p policy.Hedge, now time.Duration) *Budget {
	if p.ExtraLoadPercent == 0 {
		return nil
	}
	return NewBudget(policy.Budget{RatioPercent: p.ExtraLoadPercent, Window: hedgeWindow}, now)
}

// hedgeWindow is over which hedges are counted: as long as the latencies are
// remembered that they are timed by.
const hedgeWindow = 30 * time.Second
