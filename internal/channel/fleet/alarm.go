package fleet

import "time"

// An alarm runs something of a balancer at a time, with its mu held. The
// same mu guards the alarm. The zero alarm is not set.
type alarm struct {
	timer *time.Timer
	at    time.Duration // on the channel's clock, if set
	set   bool
}

// in has do run after d, or sooner if that was asked for already.
func (a *alarm) in(b *fleetBalancer, d time.Duration, do func()) {
	at := b.fleet.clock() + d
	if b.closed || a.set && a.at <= at {
		return
	}
	// A timer of no time at all is none that the race detector can follow (Go 1.26 runs
	// all of a test's in one context).
	d = max(d, 1)
	a.at, a.set = at, true
	if a.timer != nil {
		a.timer.Reset(d)
		return
	}
	a.timer = time.AfterFunc(d, func() { a.ring(b, do) })
}

// ring is run by the timer. It may have waited for mu while the alarm was put
// off: then the timer runs once more.
func (a *alarm) ring(b *fleetBalancer, do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.set && !b.closed && b.fleet.clock() >= a.at {
		a.set = false
		do()
	}
}

// stop unsets the alarm.
func (a *alarm) stop() {
	a.set = false
	if a.timer != nil {
		a.timer.Stop()
	}
}
