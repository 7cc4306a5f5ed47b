package attempt

import (
	"sync"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/window"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A Budget bounds the attempts that one channel adds to the calls of its
// callers. Calls earn, extra attempts pay, each when it starts, or when a running
// attempt is given up for its sake: in the window that ends then, extra <=
// ratio * calls + floor, to the last attempt. The floor lets a quiet channel
// repeat at all. (Finagle's RetryBudget, with a floor per window for its
// reserve.) It is for what another endpoint mends, so it is off while repeats
// mend nothing or most of what is tried fails, or else a fleet of quiet channels
// would double the load of a service that is down. A single call that fails
// with all its attempts says nothing yet about the service: the first call of
// a channel must be able to repeat.
//
// A Budget may be used from any goroutine.
type Budget struct {
	mu     sync.Mutex
	counts window.Counts[event]
	policy policy.Budget
	held   int // attempts that are spoken for and not yet made

	doubts  int           // attempts given up for a repeat in the same place, that have proved nothing
	doubted time.Duration // when the last of them was
}

type event int

const (
	calls event = iota
	extra
	failed      // of all attempts
	extraFailed // of the extra ones
	mended      // extra ones that were answered
)

const (
	// failing is how many failures in the window it takes to believe that the
	// service fails, where more than half do, with the attempt to be paid among
	// those that do not: one of two endpoints fails half of what there is, and what
	// it fails is repeated on the other one.
	failing = 5
	// futile is how many extra attempts in the window must have failed to
	// believe that they mend nothing, where more than a quarter did. Two, so that
	// a call may fail with all of the three attempts that it has by default.
	futile = 2
	// A running attempt is given up only for one that is likely to be answered
	// sooner. So no more extra attempts than unproven, and one in unprovenShare of
	// those that the budget allows, may be without an answer then: where everything
	// hangs, one twentieth of the calls by default. Nobody has failed there yet who
	// could be told of by those below or above, and each layer of a chain would add
	// all of its budget.
	unproven, unprovenShare = 5, 5
)

// NewBudget returns a Budget that has seen nothing.
func NewBudget(p policy.Budget, now time.Duration) *Budget {
	return &Budget{policy: p, counts: window.New[event](p.Window, now)}
}

// Call counts the first attempt of a call.
func (b *Budget) Call(now time.Duration) {
	b.mu.Lock()
	b.counts.Add(now, calls, 1)
	b.mu.Unlock()
}

// Failed counts an attempt that failed, and whether it was an extra one.
func (b *Budget) Failed(now time.Duration, repeat bool) {
	b.mu.Lock()
	b.counts.Add(now, failed, 1)
	if repeat {
		b.counts.Add(now, extraFailed, 1)
	}
	b.mu.Unlock()
}

// Mended counts an extra attempt that was answered.
func (b *Budget) Mended(now time.Duration) {
	b.mu.Lock()
	b.counts.Add(now, mended, 1)
	b.mu.Unlock()
}

// GiveUp is Hold for the sake of which a running attempt is cancelled. Its answer
// may be on its way: most of the extra attempts must have been worth it. If there is
// nowhere else to go, the repeat is likely to meet what was slow, unless a proxy is
// in between: then it must have been seen that such repeats are quick.
func (b *Budget) GiveUp(now time.Duration, elsewhere bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now-b.doubted >= b.policy.Window {
		b.doubts = 0
	}
	if !elsewhere && b.doubts >= futile {
		return false
	}
	without := max(b.counts.Sum(now, extra)-b.counts.Sum(now, mended), 0) + b.held
	if 100*unprovenShare*int64(without+1) > b.allowed(now)+100*unprovenShare*unproven || !b.afford(now) {
		return false
	}
	if !elsewhere {
		b.doubts, b.doubted = b.doubts+1, now
	}
	b.held++
	return true
}

// Quick says that a repeat in the same place was answered in less than the attempt
// timeout. It outweighs two that were not, so that a proxy whose backends are slow
// here and there remains worth a repeat.
func (b *Budget) Quick() {
	b.mu.Lock()
	b.doubts = max(b.doubts-2, 0)
	b.mu.Unlock()
}

// Hold keeps one extra attempt for its caller and reports whether it was
// there. It must be followed by PayHeld or Release.
func (b *Budget) Hold(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.afford(now) {
		return false
	}
	b.held++
	return true
}

// PayHeld takes the attempt that was held.
func (b *Budget) PayHeld(now time.Duration) {
	b.mu.Lock()
	b.held--
	b.counts.Add(now, extra, 1)
	b.mu.Unlock()
}

// Release gives the attempt that was held back.
func (b *Budget) Release() {
	b.mu.Lock()
	b.held--
	b.mu.Unlock()
}

// Pay takes one extra attempt from the budget and reports whether it was
// there. An attempt that was paid must be made.
func (b *Budget) Pay(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.afford(now) {
		return false
	}
	b.counts.Add(now, extra, 1)
	return true
}

// CanPay reports whether Pay would succeed now.
func (b *Budget) CanPay(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.afford(now)
}

// afford is called with mu held. What is paid counts for no less than the window,
// and what earns for no more.
func (b *Budget) afford(now time.Duration) bool {
	return 100*int64(b.counts.Cover(now, extra)+b.held+1) <= b.allowed(now)
}

// allowed returns how many extra attempts the window may have, in hundredths of an
// attempt, so that the arithmetic is exact. mu is held.
func (b *Budget) allowed(now time.Duration) int64 {
	c, x := b.counts.Sum(now, calls), b.counts.Sum(now, extra)
	f, xf := b.counts.Sum(now, failed), b.counts.Sum(now, extraFailed)
	allowed := int64(c) * int64(b.policy.RatioPercent)
	if (f < failing || 2*f <= c+x+1) && (xf < futile || 4*xf <= x) {
		// A rate and a window as large as contracts may say do not overflow it.
		allowed += int64(b.policy.MinPerSecond) * b.policy.Window.Milliseconds() / 10
	}
	return allowed
}
