package dnscache

import "time"

// Due takes that the time of a step's NextAsk has come, with whether anybody
// used the name since the last Due, or uses it now. It reports whether to look
// up; if not, the step says what to wait for.
//
// A name that nobody uses is not looked up: the set that is known stays, and the
// first call after that does not wait for the look-up that it causes with
// [Entry.Wake]. While there is no set at all, look-ups go on, so that a call
// does not fail for a reason that has passed.
func (e *Entry) Due(now time.Time, r uint64, used bool) (s Step, ask bool) {
	// Hints come when the name is of interest, too, but also for as long as an
	// endpoint cannot be connected: they keep a name awake for half a period.
	e.unasked = false
	switch {
	case used:
		e.usedAt = now
		e.idle = false
	case len(e.held) == 0, e.idle && e.hinted:
	case !e.hinted, now.Sub(e.usedAt) >= e.period/2:
		e.idle = true
		if !e.hinted {
			e.unasked = true
			return e.step(nil, "idle: nobody makes calls"), false
		}
		e.nextAsk = e.hintAt(now, r)
		return e.step(nil, "idle: nobody makes calls; a hint can wait"), false
	}
	return e.step(nil, "look up"), true
}

// Wake takes that somebody uses the name again. It brings the look-up that was
// put off forward to now, and does nothing while none was.
func (e *Entry) Wake(now time.Time, r uint64) Step {
	if !e.idle {
		return e.step(nil, "wake: it is awake")
	}
	e.idle, e.unasked = false, false
	e.usedAt, e.wokenAt = now, now
	e.goodAt = later(e.goodAt, now) // nobody has asked: nothing is known to be stale
	e.nextAsk = e.hintAt(now, r)
	return e.step(nil, "wake: look up now")
}

// ResolveNow takes the hint that the set may be out of date: a connection was
// lost, or many endpoints are bad. It brings the next look-up forward to one
// [Config.HintInterval] after the last, or one [Config.MaxTTL] while nobody makes
// calls. It does not shorten the backoff after a failure: what makes clients
// send hints makes all of them send hints.
func (e *Entry) ResolveNow(now time.Time, r uint64) Step {
	switch {
	case e.inFlight:
		e.hinted = true
		return e.step(nil, "hint: a look-up is under way")
	case e.failures > 0 && !e.idle:
		return e.step(nil, "hint: look-ups fail, the backoff stands")
	case e.hinted:
		return e.step(nil, "hint: it is not the first one")
	}
	at := e.hintAt(now, r)
	if !e.unasked && !at.Before(e.nextAsk) {
		return e.step(nil, "hint: the next look-up is due before")
	}
	e.hinted, e.unasked = true, false
	e.nextAsk = at
	if e.idle {
		return e.step(nil, "hint: nobody makes calls, it can wait")
	}
	return e.step(nil, "hint: look up now")
}

// hintAt returns when a look-up may come that a hint asks for at now.
func (e *Entry) hintAt(now time.Time, r uint64) time.Time {
	interval := e.cfg.HintInterval
	if e.idle {
		interval = max(interval, e.cfg.MaxTTL)
	}
	return later(now, e.askedAt.Add(interval)).Add(scale(e.cfg.HintInterval/4, r))
}
