// Package attempt decides how often, and when, the attempts of a call are made.
//
// A [Call] is a state machine: the driver tells it how each attempt ended and
// does what it answers. It reads no clock and rolls no dice; both are given.
package attempt

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// An Action is what the driver must do next.
type Action uint8

const (
	// Done means that the call is over: the last attempt's end is the call's.
	Done Action = iota
	// Start means to make an attempt. It has been paid for.
	Start
	// Wait means to come back with Resume when Step.For has passed.
	Wait
	// Await means that other attempts of the call go on: what to do next is the
	// answer to the end of one of them. If Step.For is not 0 and none has come
	// when it has passed, ask [Call.ResumeBeside].
	Await
)

// A Step is the answer of a Call. Four words fit into registers.
type Step struct {
	Action Action
	// Number is that of the attempt to start. It counts all of them, also those
	// that then found no endpoint.
	Number int32
	// For is how long the attempt to start may take, 0 if only the call's own
	// deadline bounds it: when it has passed, ask [Call.GiveUp]. Or it is how long to
	// wait.
	For time.Duration
	// Why is the reason, for people.
	Why string
}

// A Call is the state of one call. It belongs to the goroutine that makes the
// call; the driver orders GiveUp, which a timer calls, before Finish. If the
// call hedges, several attempts are in flight: see [Hedging].
type Call struct {
	method   *policy.Method
	budget   *Budget
	terms    Terms
	repeatBy time.Duration // when repeats must have started, zero if there is no such time

	made     int32 // attempts started, also those that found no endpoint
	paid     int32 // of them, those that the budget paid for: repeats and hedges
	counted  int32 // attempts that count against the limit
	backoffs int32 // waits so far
	held     bool  // the budget holds the next attempt
	missed   bool  // an endpoint lacked the method

	unplaced bool // the running attempt found no endpoint ready
	waits    bool // an endpoint can be waited for
	spare    bool // an attempt came to nothing: its place is free

	restricted bool // only what is unprocessed may be repeated
	refused    bool // a repeat that might have helped was refused

	hedging *Hedging // nil if the call does not hedge
}

// Terms are what holds for one call of a method: its context, its request and
// what is known of the method by now have a say in them.
type Terms struct {
	// Deadline is when the call must be over, zero if it need not.
	Deadline time.Duration
	// AttemptTimeout is how long an attempt may take that can be repeated. Zero
	// is any time.
	AttemptTimeout time.Duration
	// Safety says whether an attempt of this call that may have reached a handler
	// may be repeated.
	Safety policy.Safety
}

// Init makes c, which is zero, a call that has made no attempt. The method's policy
// must not change while the call lasts.
func (c *Call) Init(m *policy.Method, b *Budget, t Terms) {
	c.method, c.budget, c.terms = m, b, t
}

// Restrict lets the call repeat only what is unprocessed, whatever its method
// allows: it is made on behalf of a call that somebody above repeats already. It
// is called before Begin.
func (c *Call) Restrict() { c.restricted = true }

// Repeatable reports whether an attempt of this call that may have reached a
// handler may be repeated.
func (c *Call) Repeatable() bool { return c.safety().Repeatable() }

// safety returns what the call may do: a restricted one no more than an unsafe
// method's.
func (c *Call) safety() policy.Safety {
	if c.restricted {
		return policy.Unsafe
	}
	return c.terms.Safety
}

// Refused reports whether the call failed though a repeat might have helped,
// because none was left or allowed: attempts, budget or time were used up, or the
// server asked for none. Whoever made the call should not repeat it either. It is
// false for what is final by its nature, for a method whose repeats are off,
// and for a restricted call: whoever repeats that one already goes on to decide.
func (c *Call) Refused() bool { return c.refused }

// refuse ends the call with a failure that others must not repeat either.
func (c *Call) refuse(why string) Step {
	c.refused = true
	return Step{Why: why}
}

// Begin starts the first attempt.
func (c *Call) Begin(now time.Duration) Step { return c.BeginAfter(now, 0) }

// BeginAfter starts the first attempt of a call that has waited for an endpoint.
func (c *Call) BeginAfter(now time.Duration, waited time.Duration) Step {
	c.budget.Call(now)
	if h := c.hedging; h != nil && h.limit != nil {
		h.limit.Call(now)
	}
	if d := c.method.Retry.MaxElapsed; d > 0 {
		c.repeatBy = now + d - waited
	}
	return c.start(now, "first attempt")
}

// Made returns how many attempts were started, also those that found no endpoint.
func (c *Call) Made() int { return int(c.made) }

// Deadline returns the deadline of the call, zero if it has none.
func (c *Call) Deadline() time.Duration { return c.terms.Deadline }

// Finish tells how the running attempt ended. fresh says whether an endpoint
// is left that is ready and was not tried by this call; r is a random number
// for the backoff.
func (c *Call) Finish(now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool, r uint64) Step {
	return c.ended(now, v, pb, fresh, r, false)
}

func (c *Call) ended(now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool, r uint64, hedge bool) Step {
	h := c.hedging
	c.unplaced = c.unplaced && v == outcome.Unprocessed && !hedge
	if !c.unplaced {
		c.report(now, v, hedge || c.repeated())
	}
	var step Step
	if h != nil {
		h.inFlight--
	}
	switch {
	case h != nil && h.over:
		return Step{Action: Await, Why: "another attempt ended the call"}
	case h != nil && h.inFlight > 0:
		step = c.beside(now, v, pb, fresh, r, hedge)
	default:
		if h != nil {
			h.vacant = false // this one's end is what decides
		}
		step = c.finish(now, v, pb, fresh, r)
	}
	if step.Action == Done {
		c.settle()
	}
	return step
}

// endless reports whether the deadline takes the place of a limit of attempts.
func (c *Call) endless() bool {
	return c.method.Retry.UntilDeadline && c.terms.Deadline != 0
}

// spent reports whether n attempts are as many as the call may make.
func (c *Call) spent(n int32) bool {
	return !c.endless() && int(n) >= c.method.Retry.MaxAttempts
}

// settle says that the call is over, whatever attempts are in flight.
func (c *Call) settle() {
	c.release()
	if c.hedging != nil {
		c.hedging.over = true
	}
}

// repeated reports whether what runs, or ran last, and is no hedge, is a repeat.
func (c *Call) repeated() bool {
	if c.hedging != nil {
		return c.paid > c.hedging.started
	}
	return c.paid > 0
}

// finish tells how the last attempt in flight ended.
func (c *Call) finish(now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool, r uint64) Step {
	step := c.decide(now, v, pb, fresh, r)
	switch {
	case step.Action != Wait, c.spare:
		return step
	case step.For == 0:
		return c.Resume(now)
	case !c.held && !c.budget.CanPay(now):
		return c.refuse("retry budget exhausted")
	default:
		return step
	}
}

// count counts an attempt that ended against the limit.
func (c *Call) count(v outcome.Verdict, fresh bool) {
	if !v.Free() || !fresh {
		c.counted++
	}
}

// decide returns whether an attempt that ended is repeated, as Done or Wait. It
// does not ask the budget.
func (c *Call) decide(now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool, r uint64) Step {
	if c.unplaced {
		c.unplaced = false
		return c.wasNone(now)
	}
	c.count(v, fresh)
	switch {
	case v == outcome.Success:
		return Step{Why: "success"}
	case (pb.Stop || c.hedging != nil && c.hedging.stopped) && v.Failure():
		// Whatever else the peer said: a timeout below it, for one.
		return c.refuse("the server asked for no repeat")
	case !v.Repeatable(c.safety()):
		return Step{Why: c.finality(v)}
	case !c.endless() && c.method.Retry.MaxAttempts <= 1: // also what does not count
		return Step{Why: "repeats are off"}
	case c.spent(c.counted):
		return c.refuse("no attempts left")
	case v == outcome.Missing && !fresh:
		return c.refuse("no other endpoint left")
	case v == outcome.Missing && c.missed:
		return c.refuse("two endpoints lack the method")
	}
	c.missed = c.missed || v == outcome.Missing
	var wait time.Duration
	why := "backoff"
	switch {
	case pb.Given:
		// The server says when; the series of backoffs starts over (gRFC A6).
		wait, c.backoffs, why = pb.After, 0, pushback
	case v.SameEndpoint() || !fresh || c.paid > 0:
		// The first repeat on another endpoint goes at once: what failed there
		// says nothing about this one. Later ones wait, or a service that is
		// down would be tried as fast as it refuses.
		if !v.Free() || !fresh {
			wait = c.method.Retry.Backoff.Delay(int(c.backoffs), r)
			c.backoffs++
		}
	}
	if h := c.hedging; h != nil && h.notBefore-now > wait { // another attempt was told to wait
		wait, why = h.notBefore-now, pushback
	}
	switch then := now + wait; {
	case passed(c.terms.Deadline, then):
		return c.refuse("no time left")
	case passed(c.repeatBy, then):
		return c.refuse(tooLate)
	}
	return Step{Action: Wait, For: wait, Why: why}
}

// report tells the budget how an attempt ended.
func (c *Call) report(now time.Duration, v outcome.Verdict, repeat bool) {
	switch {
	case v.Failure():
		c.budget.Failed(now, repeat)
	case repeat && v.Evidence() == outcome.Good:
		c.budget.Mended(now)
	}
}

// End tells how the running attempt ended, for one that the driver cannot
// repeat: an open stream.
func (c *Call) End(now time.Duration, v outcome.Verdict) Step {
	c.release()
	c.report(now, v, c.repeated())
	switch v {
	case outcome.Success:
		return Step{Why: "success"}
	case outcome.Stopped, outcome.Relayed:
		return c.refuse("the server asked for no repeat")
	default:
		return Step{Why: "an open stream is not repeated"}
	}
}

// Why the driver waits, or goes no further.
const (
	pushback = "pushback"
	tooLate  = "too late to repeat (max_elapsed_ms)"
)

// passed reports whether it is at, or later. The zero time never passes.
func passed(at, it time.Duration) bool { return at != 0 && it >= at }

// Unplaced says that the running attempt found no endpoint ready. It is called
// before Finish. Such an attempt, if it is unprocessed and no hedge, was none: it
// neither counts nor failed, and the one in its place is not paid for. waits says that the driver can
// wait for an endpoint: then the answer of Finish is Wait, and Resume must be
// called once one is ready.
func (c *Call) Unplaced(waits bool) { c.unplaced, c.waits = true, waits }

// wasNone returns what to do in place of an attempt that found no endpoint.
func (c *Call) wasNone(now time.Duration) Step {
	c.release()
	switch {
	case !c.waits:
		return Step{Why: "no endpoint is ready"}
	case passed(c.terms.Deadline, now):
		return c.refuse("no time left")
	}
	c.spare = true
	return Step{Action: Wait, Why: "waits for an endpoint"}
}

// Resume goes on after a wait.
func (c *Call) Resume(now time.Duration) Step {
	if c.hedging != nil {
		c.hedging.vacant = false
	}
	if c.spare {
		c.spare = false
		return c.start(now, "an endpoint is ready")
	}
	if passed(c.repeatBy, now) { // the wait took longer than it should
		c.release()
		return c.refuse(tooLate)
	}
	switch {
	case c.held:
		c.held = false
		c.budget.PayHeld(now)
	case !c.budget.Pay(now):
		return c.refuse("retry budget exhausted")
	}
	c.paid++
	return c.start(now, "repeat")
}

// Abandon says that the call is over though the last step was to wait, or
// though attempts are in flight.
func (c *Call) Abandon() { c.settle() }

func (c *Call) release() {
	if c.held {
		c.held = false
		c.budget.Release()
	}
}

func (c *Call) start(now time.Duration, why string) Step {
	c.made++
	step := Step{Action: Start, Number: c.made, For: c.timeout(now), Why: why}
	if h := c.hedging; h != nil {
		h.inFlight++
	}
	return step
}

// timeout returns how long the attempt that starts now may take. An attempt
// that could not be repeated is left alone until the call's deadline: to
// cancel it would turn a slow answer into none.
func (c *Call) timeout(now time.Duration) time.Duration {
	t := c.terms.AttemptTimeout
	if t <= 0 || !c.Repeatable() || c.spent(c.counted+c.flying()+1) {
		return 0
	}
	if then := now + t; passed(c.terms.Deadline, then) || passed(c.repeatBy, then) {
		return 0
	}
	return t
}

// GiveUp reports whether an attempt in flight, whose timeout has passed, may be
// cancelled: only if its repeat is within the limit and can be paid for, and if most
// repeats of the channel are worth it. elsewhere says that there is an endpoint for it
// that was not tried. What it costs is held until Finish, or else the attempts that
// expire together would all be cancelled for the sake of one repeat.
func (c *Call) GiveUp(now time.Duration, elsewhere bool) bool {
	if h := c.hedging; h != nil && (h.over || h.stopped || !c.mayStart()) {
		return false
	}
	if passed(c.repeatBy, now) { // the timer was late
		return c.held
	}
	c.held = c.held || c.budget.GiveUp(now, elsewhere)
	return c.held
}

// Answered says that a repeat in a place that was tried was answered, after it took
// so long.
func (c *Call) Answered(took time.Duration) {
	if took < c.terms.AttemptTimeout {
		c.budget.Quick()
	}
}

// finality says why an attempt with this verdict is the last.
func (c *Call) finality(v outcome.Verdict) string {
	switch {
	case v.Repeatable(c.terms.Safety):
		return "made for a call that is a repeat itself"
	case v == outcome.Missing:
		return "another server may have the method, but it is not idempotent"
	case v.Repeatable(policy.Idempotent):
		return "may have been applied, and the method is not idempotent"
	default:
		return "final"
	}
}
