package policy

import (
	"errors"
	"fmt"
	"time"
)

// A Breaker says when calls of a method are not made at all: because too many
// of the last ones failed, because the service refuses what it is sent, or
// because too many are in flight. It counts calls, not attempts. It is
// comparable. The zero Breaker lets every call through: each of its rules is
// off at zero.
type Breaker struct {
	// Off lets every call through.
	Off bool
	// DryRun decides and reports, and lets every call through.
	DryRun bool

	// Window is the while over which calls are counted.
	Window time.Duration
	// MinCalls is how many calls the window must hold before a rate means
	// something.
	MinCalls int
	// FailurePercent of the calls in the window open the breaker. Zero is never.
	FailurePercent int
	// ConsecutiveFailures in a row open the breaker. Zero is never.
	ConsecutiveFailures int
	// Open is how long the breaker is first open. Each opening that follows
	// before the breaker was closed for a window lasts twice as long.
	Open time.Duration
	// MaxOpen bounds how long the breaker is open. Zero is Open.
	MaxOpen time.Duration
	// Trials is how many calls at once may find out whether the service works
	// again.
	Trials int
	// Successes is how many of them must succeed to close the breaker.
	Successes int

	Throttle Throttle
	// MaxInFlight is how many calls may be under way at once; there is no queue
	// behind them. Zero is any number.
	MaxInFlight int

	// PerGroup says that each group of endpoints has a breaker of its own,
	// beside that of the method.
	PerGroup bool
}

// A Throttle says what part of the calls is held back from a service that
// refuses some: as many are sent as make AcceptPercent of those that it
// accepts. The zero Throttle holds nothing back.
type Throttle struct {
	// AcceptPercent is how many calls are sent per hundred that are accepted:
	// 200 sends one more for each. Zero is off.
	AcceptPercent int
	// MaxPercent of the calls at most are held back; what goes through sees the
	// service recover.
	MaxPercent int
}

// HouseBreaker returns the house default. Half of at least 20 calls in ten
// seconds, and open for 5 s, are Hystrix's. Three trial calls must succeed, for
// one success may be luck when a half fails.
// Failures in a row open nothing: five calls that one server took down with it
// are a row, and the other servers are well.
// Openings do not grow: a service must be found to work within 5 s of its
// healing, however long it was down, and three calls in 5 s weigh nothing.
//
// The throttle's 200 % are what the SRE book recommends; its bound of 90 % is
// Envoy's 80 % and failsafe-go's 90 %. A service that sheds half of its load
// is then sent what it can do, where a breaker would send it nothing.
func HouseBreaker() Breaker {
	return Breaker{
		Window:         10 * time.Second,
		MinCalls:       20,
		FailurePercent: 50,
		Open:           5 * time.Second,
		Trials:         3,
		Successes:      3,
		Throttle:       Throttle{AcceptPercent: 200, MaxPercent: 90},
	}
}

// Trips reports whether any rule opens the breaker.
func (b Breaker) Trips() bool { return !b.Off && (b.FailurePercent > 0 || b.ConsecutiveFailures > 0) }

// Throttles reports whether calls are held back from a service that refuses.
func (b Breaker) Throttles() bool { return !b.Off && b.Throttle.AcceptPercent > 0 }

// Ceiling returns how long the n-th opening in a series lasts at most, the
// first being 0.
func (b Breaker) Ceiling(n int) time.Duration {
	return Backoff{Base: b.Open, Max: b.MaxOpen}.Ceiling(n)
}

// Validate reports every value of b that cannot hold, each as an
// [*FieldError], joined with [errors.Join]; nil if there are none.
func (b Breaker) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: "breaker." + field, Problem: fmt.Sprintf(format, args...)})
	}
	rates := b.FailurePercent > 0 || b.Throttle.AcceptPercent > 0
	opens := b.FailurePercent > 0 || b.ConsecutiveFailures > 0
	if b.Window < 0 || (rates || opens) && b.Window < time.Second || b.Window > time.Hour {
		bad("window_ms", "is %d: set 1000 to 3600000", b.Window.Milliseconds())
	}
	if b.MinCalls < 0 || rates && b.MinCalls < 3 {
		bad("min_calls", "is %d: set at least 3, below which chance decides", b.MinCalls)
	}
	if b.FailurePercent < 0 || b.FailurePercent > 100 {
		bad("failure_percent", "is %d: set 1 to 100, or 0 for never", b.FailurePercent)
	}
	if b.ConsecutiveFailures < 0 {
		bad("consecutive_failures", "is %d; a number of failures cannot be negative: set 0 for never", b.ConsecutiveFailures)
	}
	if b.Open < 0 || opens && b.Open < time.Millisecond {
		bad("open_ms", "is %d: set how long the breaker is first open, such as 5000", b.Open.Milliseconds())
	}
	if b.MaxOpen < 0 || b.MaxOpen > 0 && b.MaxOpen < b.Open {
		bad("max_open_ms", "is %d, below open_ms, which is %d: raise it, or set 0 for the same", b.MaxOpen.Milliseconds(), b.Open.Milliseconds())
	}
	if b.Trials < 0 || opens && b.Trials < 1 {
		bad("trials", "is %d: set how many calls at once may try an open breaker, at least 1", b.Trials)
	}
	if b.Successes < 0 || opens && b.Successes < 1 {
		bad("successes", "is %d: set how many trial calls must succeed, at least 1", b.Successes)
	}
	if k := b.Throttle.AcceptPercent; k != 0 && (k < 110 || k > 1000) {
		bad("throttle.accept_percent", "is %d calls per hundred accepted: set 110 to 1000, or 0 for no throttle", k)
	}
	if m := b.Throttle.MaxPercent; m < 0 || m > 99 || m == 0 && b.Throttle.AcceptPercent > 0 {
		bad("throttle.max_percent", "is %d: set 1 to 99 of a hundred calls; none would see the service recover if all were held back", m)
	}
	if b.MaxInFlight < 0 {
		bad("max_in_flight", "is %d; a number of calls cannot be negative: set 0 for any number", b.MaxInFlight)
	}
	return errors.Join(errs...)
}
