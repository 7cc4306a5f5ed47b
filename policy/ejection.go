package policy

import (
	"errors"
	"fmt"
	"time"
)

// An Ejection says when an endpoint that fails, or is slow, is taken out of
// balancing, and how it comes back. It is comparable. The zero Ejection ejects
// nothing: each of its three rules is off at zero.
type Ejection struct {
	// Off ends every ejection, and makes no new one.
	Off bool
	// DryRun decides and reports, and keeps every endpoint in.
	DryRun bool
	// ConsecutiveFailures in a row eject. Zero is never.
	ConsecutiveFailures int
	// MinRequests is how many recent attempts an endpoint must have had before
	// its rate of failures, or its latency, means something.
	MinRequests int
	// FailurePercent of recent attempts eject, if the peers fail less. Zero is
	// never.
	FailurePercent int
	// FailureDistance is how many percentage points above the better three
	// quarters of the peers that must be.
	FailureDistance int
	// LatencyPercent of the median of the peers' typical latencies ejects: 300
	// is three times as slow. Zero is never.
	LatencyPercent int
	// LatencyFloor is by how much, at least, the endpoint must be slower.
	LatencyFloor time.Duration
	// Base is how long the first ejection lasts. Each that follows before the
	// endpoint has proved itself lasts twice as long.
	Base time.Duration
	// Max bounds how long an ejection lasts.
	Max time.Duration
	// MaxPercent of the endpoints with a connection may be out at once, rounded
	// down, but one of two or more.
	MaxPercent int
}

// HouseEjection returns the house default. Five failures in a row are Envoy's
// and Finagle's; a fifth of the attempts, and 20 points above the peers, is
// worth avoiding, and it ejects once chance cannot have done it. Envoy's
// interval of 10 s and base of 30 s would keep a restarted endpoint out for
// long: 4 to 8 s, with at most five trials between, hold the share of a bad
// one below 1 % from 100 calls a second on, and a healed one is back within
// 15 s. Half of the fleet at most is out, which is Envoy's panic threshold
// seen from the other side.
func HouseEjection() Ejection {
	return Ejection{
		ConsecutiveFailures: 5,
		MinRequests:         10,
		FailurePercent:      20,
		FailureDistance:     20,
		LatencyPercent:      300,
		LatencyFloor:        5 * time.Millisecond,
		Base:                4 * time.Second,
		Max:                 8 * time.Second,
		MaxPercent:          50,
	}
}

// Validate reports every value of e that cannot hold, each as an
// [*FieldError], joined with [errors.Join]; nil if there are none.
func (e Ejection) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: "balance.ejection." + field, Problem: fmt.Sprintf(format, args...)})
	}
	if e.ConsecutiveFailures < 0 {
		bad("consecutive_failures", "is %d; a number of failures cannot be negative: set 0 for never", e.ConsecutiveFailures)
	}
	if rules := e.FailurePercent > 0 || e.LatencyPercent > 0; e.MinRequests < 0 || rules && e.MinRequests < 3 {
		bad("min_requests", "is %d: set at least 3, below which chance decides", e.MinRequests)
	}
	if e.FailurePercent < 0 || e.FailurePercent > 100 {
		bad("failure_percent", "is %d: set 1 to 100, or 0 for never", e.FailurePercent)
	}
	if e.FailureDistance < 0 || e.FailureDistance > 100 {
		bad("failure_distance_percent", "is %d: set 0 to 100 percentage points above the peers", e.FailureDistance)
	}
	if e.LatencyPercent != 0 && e.LatencyPercent < 150 {
		bad("latency_percent", "is %d, of which 100 is as slow as the peers: set at least 150, or 0 for never", e.LatencyPercent)
	}
	if e.LatencyFloor < 0 {
		bad("latency_floor_ms", "is %d; a time cannot be negative: set 0 for none", e.LatencyFloor.Milliseconds())
	}
	if !e.Off && e.active() && e.Base <= 0 || e.Base < 0 {
		bad("base_ms", "is %d: set how long the first ejection lasts, such as 4000", e.Base.Milliseconds())
	}
	if e.Max < 0 || e.Max < e.Base {
		bad("max_ms", "is %d, below base_ms, which is %d: raise it", e.Max.Milliseconds(), e.Base.Milliseconds())
	}
	if e.MaxPercent < 0 || e.MaxPercent > 100 {
		bad("max_percent", "is %d: set 0 to 100 of a hundred endpoints that may be out at once", e.MaxPercent)
	}
	return errors.Join(errs...)
}

// active reports whether any rule is on.
func (e Ejection) active() bool {
	return e.ConsecutiveFailures > 0 || e.FailurePercent > 0 || e.LatencyPercent > 0
}

// Ceiling returns how long the n-th ejection in a row lasts at most, the first
// being 0.
func (e Ejection) Ceiling(n int) time.Duration { return Backoff{Base: e.Base, Max: e.Max}.Ceiling(n) }

// A Liveness says when a connection that is silent is suspected of being dead,
// and how that is found out. It is comparable. The zero Liveness suspects
// nothing.
type Liveness struct {
	// Off suspects nothing.
	Off bool
	// DryRun decides and reports, and neither avoids nor closes a connection.
	DryRun bool
	// Silence is for how long nothing may be read while an attempt waits before
	// the connection is suspected. Zero is for ever.
	Silence time.Duration
	// ProbeTimeout is how long the probe of a suspect may go without a byte
	// read before the connection is closed.
	ProbeTimeout time.Duration
	// MaxPercent of the connections may be suspected or closed at once, rounded
	// down.
	MaxPercent int
}

// HouseLiveness returns the house default: a dead connection is closed about
// half a second after the first attempt on it, which leaves a call with a
// deadline of a second time for another endpoint.
func HouseLiveness() Liveness {
	return Liveness{Silence: 250 * time.Millisecond, ProbeTimeout: 500 * time.Millisecond, MaxPercent: 50}
}

// minSilence is the smallest silence: below it a collection of garbage on the
// other side is suspicious.
const minSilence = 20 * time.Millisecond

// Validate reports every value of l that cannot hold, each as an
// [*FieldError], joined with [errors.Join]; nil if there are none.
func (l Liveness) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: "connection.liveness." + field, Problem: fmt.Sprintf(format, args...)})
	}
	on := l.Silence != 0
	if on && l.Silence < minSilence {
		bad("silence_ms", "is %d, below the least of %d: raise it, or set 0 for never", l.Silence.Milliseconds(), minSilence.Milliseconds())
	}
	if l.ProbeTimeout < 0 || on && l.ProbeTimeout < minSilence {
		bad("probe_timeout_ms", "is %d: set how long a probe may go unanswered, at least %d", l.ProbeTimeout.Milliseconds(), minSilence.Milliseconds())
	}
	if l.MaxPercent < 0 || l.MaxPercent > 100 {
		bad("max_percent", "is %d: set 0 to 100 of a hundred connections that may be suspected at once", l.MaxPercent)
	}
	return errors.Join(errs...)
}
