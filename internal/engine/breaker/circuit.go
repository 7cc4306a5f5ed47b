package breaker

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// A circuit is the state machine. Everything in it belongs to mu.
type circuit struct {
	state   State
	pressed bool          // the window holds refusals, or calls that were held back
	epoch   uint32        // changes with the state, so that late results are known
	since   time.Duration // of the state
	until   time.Duration // of an open one
	why     string        // of the last change

	openings int           // in the series, the current one included
	trials   int           // under way, when half-open
	good     int           // trials that succeeded
	granted  time.Duration // when the last trial was

	taken int // successes since the last refusal or failure
}

// longest is an opening late enough in a series to be as long as any.
const longest = 64

// fail counts the failure of a call that was admitted when the circuit was
// closed, as it still is.
func (b *Breaker) fail(now time.Duration, t Ticket, random uint64) *Change {
	b.counts.Add(now, failed, 1)
	b.row++
	b.taken = 0
	p := &b.policy
	if !p.Trips() {
		return nil
	}
	if p.ConsecutiveFailures > 0 && b.row >= p.ConsecutiveFailures {
		return b.open(now, t, random, fmt.Sprintf("%d calls in a row failed", b.row))
	}
	bad := b.counts.Sum(now, failed)
	all := bad + b.counts.Sum(now, succeeded)
	if p.FailurePercent > 0 && all >= p.MinCalls && 100*bad >= p.FailurePercent*all {
		return b.open(now, t, random, fmt.Sprintf("%d of %d calls failed", bad, all))
	}
	return nil
}

// try gives one of the trials of a circuit that is not closed to a call.
func (b *Breaker) try(now time.Duration) (Reason, *Change) {
	var c *Change
	switch {
	case b.state == Open && now < b.until:
		return CircuitOpen, nil
	case b.state == Open:
		c = b.become(now, HalfOpen, "its time is over")
	case b.trials < b.policy.Trials:
	case now-b.granted >= b.policy.Open:
		// Trials that never end would keep everyone else out for ever. Others are
		// made in their place, and what becomes of those says nothing any more: they
		// may hang on a server that healed long ago.
		b.become(now, HalfOpen, "its trials did not end")
	default:
		return TrialsTaken, nil
	}
	b.trials++
	b.granted = now
	return Admitted, c
}

// tried counts the result of a trial of the present half-open time. A refusal
// is a failure here: a service that refuses three calls is not ready for all.
func (b *Breaker) tried(now time.Duration, t Ticket, good bool, v outcome.Verdict, random uint64) *Change {
	b.trials--
	if !good {
		return b.open(now, t, random, "a trial failed: "+v.String())
	}
	b.good++
	if b.good < b.policy.Successes {
		return nil
	}
	return b.become(now, Closed, fmt.Sprintf("%d trials succeeded", b.good))
}

// open opens the circuit for what the call of t met. A series of openings ends
// when the circuit has been closed for a window: one that opens again at once
// was closed by luck.
//
// The time is counted from when the call began, for its failure says no more of
// the service than how it was then: a call that hung until its deadline may
// end long after the service has healed.
func (b *Breaker) open(now time.Duration, t Ticket, random uint64, why string) *Change {
	if b.state == Closed && now-b.since >= b.policy.Window {
		b.openings = 0
	}
	ceiling := b.policy.Ceiling(b.openings)
	b.openings = min(b.openings+1, longest)
	// Jitter over a quarter, so that the clients of a service do not come back
	// as one.
	early, _ := bits.Mul64(random, uint64(ceiling/4)+1)
	b.until = t.at + ceiling - time.Duration(early)
	c := b.become(now, Open, why)
	c.For = max(b.until-now, 0)
	return c
}

// become changes the state, and forgets what was counted in the old one.
func (b *Breaker) become(now time.Duration, to State, why string) *Change {
	c := &Change{From: b.state, To: to, Why: why, DryRun: b.policy.DryRun}
	b.state, b.since, b.why = to, now, why
	b.epoch++
	b.trials, b.good = 0, 0
	b.forget(now)
	b.publish()
	return c
}
