package policy

import "time"

// A Hedge says when another attempt is started while one goes on, on another
// endpoint: the first answer wins (Dean and Barroso, "The Tail at Scale", 2013).
// The zero Hedge starts none.
type Hedge struct {
	// Delay is how long the attempts before it may take. Beside ExtraLoadPercent,
	// it is the least time, and the time while not enough is known; zero is then
	// no hedge while not enough is known.
	Delay time.Duration
	// ExtraLoadPercent of the attempts are hedged, and no more of the calls: the
	// delay is the time that all the others stay below. Zero is off.
	ExtraLoadPercent int
	// MaxHedges is how many hedges a call may start. Zero is none.
	MaxHedges int
}

// minHedgeDelay bounds a delay that was observed: what takes less is not worth a
// hedge, and cannot be timed that well (Finagle's BackupRequestFilter).
const minHedgeDelay = time.Millisecond

// On reports whether hedges are ever started.
func (h Hedge) On() bool { return h.MaxHedges > 0 && (h.Delay > 0 || h.ExtraLoadPercent > 0) }

// Permille is the quantile of the latencies of attempts that [Hedge.After] asks
// for, 0 for none.
func (h Hedge) Permille() int {
	if !h.On() || h.ExtraLoadPercent == 0 {
		return 0
	}
	return 1000 - 10*h.ExtraLoadPercent
}

// After returns how long an attempt may take before a hedge starts, zero for
// none. q is the quantile Permille, if it is known.
func (h Hedge) After(q time.Duration, known bool) time.Duration {
	switch {
	case !h.On():
		return 0
	case h.ExtraLoadPercent == 0 || !known:
		return h.Delay
	default:
		return max(q, h.Delay, minHedgeDelay)
	}
}

// validate tells bad what of h cannot hold, in a method with these times.
func (h Hedge) validate(bad func(field, format string, args ...any), deadline, attemptTimeout time.Duration) {
	if h.Delay < 0 {
		bad("hedge.delay_ms", "is %d; a time cannot be negative: set how long an attempt may take before a hedge, or 0 for none", h.Delay.Milliseconds())
	}
	if p := h.ExtraLoadPercent; p < 0 || p > maxExtraLoadPercent {
		bad("hedge.extra_load_percent", "is %d: set 1 to %d hedges per 100 calls, or 0 for a fixed delay", p, maxExtraLoadPercent)
	}
	if n := h.MaxHedges; n < 0 || n >= MaxAttemptsLimit {
		bad("hedge.max_hedges", "is %d: set 1 to %d, or 0 for no hedges", n, MaxAttemptsLimit-1)
	}
	if field, limit := h.preceded(deadline, attemptTimeout); field != "" {
		bad("hedge.delay_ms", "is %d, not below %s, which is %d, so it could never take effect: lower it, or set max_hedges to 0",
			h.Delay.Milliseconds(), field, limit.Milliseconds())
	}
}

// preceded returns what ends an attempt before the least delay has passed, ""
// if nothing does.
func (h Hedge) preceded(deadline, attemptTimeout time.Duration) (field string, limit time.Duration) {
	switch {
	case !h.On():
	case deadline > 0 && h.Delay >= deadline:
		return "deadline_ms", deadline
	case attemptTimeout > 0 && h.Delay >= attemptTimeout:
		return "attempt_timeout_ms", attemptTimeout
	}
	return "", 0
}

// Within returns h, switched off if it could never take effect in a method with
// these times.
func (h Hedge) Within(deadline, attemptTimeout time.Duration) Hedge {
	if field, _ := h.preceded(deadline, attemptTimeout); field != "" {
		h.MaxHedges = 0
	}
	return h
}

// maxExtraLoadPercent bounds ExtraLoadPercent: a service that must be asked
// twice for more than each second call needs another remedy.
const maxExtraLoadPercent = 50
