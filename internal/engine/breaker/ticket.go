package breaker

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// A Ticket is what an admitted call holds until it is done. The zero Ticket
// holds nothing.
type Ticket struct {
	at      time.Duration // when the call was admitted
	epoch   uint32        // of the circuit then
	counted bool          // its result counts
	trial   bool          // it holds one of the trials
	placed  bool          // it holds a place in flight
}

// A Reason is why a call is not to be made.
type Reason uint8

const (
	// Admitted is none.
	Admitted Reason = iota
	// CircuitOpen means that too many calls have failed.
	CircuitOpen
	// TrialsTaken means that other calls are finding out whether that is over.
	TrialsTaken
	// Throttled means that the service refuses calls, and this one is held back.
	Throttled
	// Full means that as many calls are in flight as may be.
	Full
)

var reasonNames = [...]string{
	Admitted: "admitted", CircuitOpen: "circuit open", TrialsTaken: "circuit half-open, trials taken",
	Throttled: "throttled", Full: "too many in flight",
}

// String returns the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// A Denial says that a call is not to be made. The zero Denial admits it.
type Denial struct {
	Reason Reason
	// DryRun says that the call is to be made nevertheless.
	DryRun bool
	// Wait is how long the circuit stays open, 0 if that is not why.
	Wait time.Duration
	// Since is when the circuit opened or became half-open, and Why the reason;
	// zero if that is not why.
	Since time.Duration
	Why   string
	// Percent of the calls are held back, if that is why.
	Percent int
}

// Denied reports whether the call must not be made.
func (d Denial) Denied() bool { return d.Reason != Admitted && !d.DryRun }

// Pass is Allow where a look at the word suffices, as it does for nearly all calls.
// If it does not pass one, Allow must be asked.
func (b *Breaker) Pass(now time.Duration) (t Ticket, passed bool) {
	w := b.word.Load()
	return Ticket{at: now, epoch: uint32(w >> 32), counted: w&counting != 0}, w&(stateMask|pressing|limited) == 0
}

// Allow says whether a call may be made now, for 64 random bits. Unless it is
// denied, the ticket is to be given to Done. The change is nil but for the call
// that makes an open circuit half-open.
func (b *Breaker) Allow(now time.Duration, random uint64) (t Ticket, d Denial, c *Change) {
	w := b.word.Load()
	if w&(stateMask|pressing) == 0 {
		t = Ticket{at: now, epoch: uint32(w >> 32), counted: w&counting != 0}
	} else if t, d, c = b.consider(now, random); d.Reason != Admitted {
		return t, d, c
	}
	if limit := b.limit.Load(); limit > 0 {
		if !b.place(limit) {
			b.giveBack(t)
			return Ticket{}, Denial{Reason: Full, DryRun: w&dry != 0}, c
		}
		t.placed = true
	}
	return t, d, c
}

// consider is Allow where a look at the word does not suffice.
func (b *Breaker) consider(now time.Duration, random uint64) (t Ticket, d Denial, c *Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t = Ticket{at: now, counted: true}
	switch b.state {
	case Closed:
		if b.holdBack(now, random) {
			d.Reason, d.Percent = Throttled, b.percent(now)
		}
	case Open, HalfOpen:
		if d.Reason, c = b.try(now); d.Reason == Admitted {
			t.trial = true
			break
		}
		d.Since, d.Why = b.since, b.why
		if b.state == Open {
			d.Wait = b.until - now
		}
	}
	if d.Reason != Admitted {
		d.DryRun = b.policy.DryRun
		return Ticket{}, d, c
	}
	t.epoch = b.epoch
	return t, d, c
}

// Admits reports whether Allow would admit a call now, as far as the circuit
// decides. It changes nothing.
func (b *Breaker) Admits(now time.Duration) bool {
	if b.State() == Closed {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.policy.DryRun || b.state == Closed:
		return true
	case b.state == Open:
		return now >= b.until
	default:
		return b.trials < b.policy.Trials || now-b.granted >= b.policy.Open
	}
}

// Done says that the call of this ticket has ended with this verdict on its
// last attempt. If that opens the circuit, 64 random bits say for how long; a success
// needs none. The change is nil if the circuit did not change.
func (b *Breaker) Done(now time.Duration, t Ticket, v outcome.Verdict, random uint64) *Change {
	if v != outcome.Success || t.trial || t.placed {
		return b.done(now, t, v, random)
	}
	if t.counted {
		b.mu.Lock()
		b.pace.follow(now, b.counts.Length(), now-t.at)
		if t.epoch == b.epoch {
			b.succeed(now)
		}
		b.mu.Unlock()
	}
	return nil
}

// succeed counts a success. mu is held.
func (b *Breaker) succeed(now time.Duration) {
	b.counts.Add(now, succeeded, 1)
	b.row = 0
	if b.pressed {
		b.relent(now)
	}
}

// done is Done in full.
func (b *Breaker) done(now time.Duration, t Ticket, v outcome.Verdict, random uint64) *Change {
	if t.placed {
		b.inFlight.Add(-1)
	}
	if !t.counted {
		return nil
	}
	result := v.ForBreaker()
	if result == outcome.CountNone {
		b.giveBack(t)
		return nil
	}
	var c *Change
	b.mu.Lock()
	if result == outcome.CountSuccess {
		b.pace.follow(now, b.policy.Window, now-t.at)
	}
	switch {
	case t.epoch != b.epoch: // it says nothing of what the service is now
	case t.trial:
		c = b.tried(now, t, result == outcome.CountSuccess, v, random)
	case result == outcome.CountSuccess:
		b.succeed(now)
	case v == outcome.Refusal && b.policy.Throttles():
		b.refuse(now)
	default:
		c = b.fail(now, t, random)
	}
	b.mu.Unlock()
	return c
}

// Answered says that the service has answered a call that goes on: a stream
// with its first message. The ticket that it returns is for Done, where it
// counts no more.
func (b *Breaker) Answered(now time.Duration, t Ticket) (Ticket, *Change) {
	rest := Ticket{placed: t.placed}
	t.placed = false
	return rest, b.Done(now, t, outcome.Success, 0)
}

// giveBack gives a trial to another call.
func (b *Breaker) giveBack(t Ticket) {
	if !t.trial {
		return
	}
	b.mu.Lock()
	if t.epoch == b.epoch {
		b.trials--
	}
	b.mu.Unlock()
}
