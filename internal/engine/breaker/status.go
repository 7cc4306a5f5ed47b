package breaker

import "time"

// A Status is how a Breaker stands, for people and metrics.
type Status struct {
	State State
	// Since is when the circuit came into its state, zero if it never changed.
	Since time.Duration
	// Until is when an open circuit lets a trial through.
	Until time.Duration
	// Why is the reason of the last change of the circuit.
	Why string
	// Openings is how many openings the present series has.
	Openings int
	// Trials are under way, and so many have succeeded.
	Trials, TrialsSucceeded int
	// Succeeded, Failed, Refused and HeldBack are the calls in the window, since
	// the circuit last changed.
	Succeeded, Failed, Refused, HeldBack int
	// ThrottlePercent of the calls are held back now.
	ThrottlePercent int
	// InFlight are the calls that hold a place, if there is a limit.
	InFlight int
}

// Status returns how b stands.
func (b *Breaker) Status(now time.Duration) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		State: b.state, Since: b.since, Why: b.why, Openings: b.openings,
		Trials: b.trials, TrialsSucceeded: b.good,
		Succeeded: b.counts.Sum(now, succeeded), Failed: b.counts.Sum(now, failed),
		Refused: b.counts.Sum(now, refused), HeldBack: b.counts.Sum(now, heldBack),
		InFlight: int(b.inFlight.Load()),
	}
	if b.state == Open {
		s.Until = b.until
	}
	if b.policy.Throttles() {
		s.ThrottlePercent = b.percent(now)
	}
	return s
}
