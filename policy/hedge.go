package policy

import (
	"errors"
	"fmt"
	"time"
)

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

// Validate reports every value of h that cannot hold, each as an
// [*FieldError], joined with [errors.Join]; nil if there are none.
func (h Hedge) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: "hedge." + field, Problem: fmt.Sprintf(format, args...)})
	}
	if h.Delay < 0 {
		bad("delay_ms", "is %d; a time cannot be negative: set how long an attempt may take before a hedge, or 0 for none", h.Delay.Milliseconds())
	}
	if p := h.ExtraLoadPercent; p < 0 || p > MaxExtraLoadPercent {
		bad("extra_load_percent", "is %d: set 1 to %d attempts more per 100 calls, or 0 for a fixed delay", p, MaxExtraLoadPercent)
	}
	if n := h.MaxHedges; n < 0 || n >= MaxAttemptsLimit {
		bad("max_hedges", "is %d: set 1 to %d, or 0 for no hedges", n, MaxAttemptsLimit-1)
	}
	return errors.Join(errs...)
}

// MaxExtraLoadPercent bounds ExtraLoadPercent: a service that must be asked
// twice for more than each second call needs another remedy.
const MaxExtraLoadPercent = 50
