package policy

import (
	"errors"
	"fmt"
	"time"
)

// A Safety says whether a method may be applied more than once. It comes from
// the standard idempotency_level of the method's .proto.
type Safety uint8

const (
	// Unsafe methods are repeated only when the attempt provably never reached
	// a handler. It is the zero value: what nobody declared is unsafe.
	Unsafe Safety = iota
	// Idempotent methods may be applied more than once (IDEMPOTENT).
	Idempotent
	// ReadOnly methods change nothing (NO_SIDE_EFFECTS).
	ReadOnly
)

// Repeatable reports whether an attempt that may have reached a handler may be
// repeated.
func (s Safety) Repeatable() bool { return s != Unsafe }

// String returns the word that is used in messages: "unsafe", "idempotent" or
// "read-only".
func (s Safety) String() string {
	switch s {
	case Idempotent:
		return "idempotent"
	case ReadOnly:
		return "read-only"
	default:
		return "unsafe"
	}
}

// A Method is how a client calls one method. It is comparable: two equal
// Methods behave alike. The zero Method does nothing that plain grpc-go would
// not do, except that it never repeats anything.
type Method struct { //nolint:recvcheck // large: what every call asks of it takes a pointer
	// Deadline is the time a call may take, all attempts included. The deadline
	// of the caller's context caps it. Zero is none.
	Deadline time.Duration
	// AttemptTimeout is the time an attempt may take before another endpoint is
	// tried. It cancels only attempts that may be repeated. Zero is none.
	AttemptTimeout time.Duration
	// DeadlinePerKiB and AttemptTimeoutPerKiB are added to the two, where they are
	// not zero, for each whole KiB of a unary request.
	DeadlinePerKiB, AttemptTimeoutPerKiB time.Duration
	// MaxDeadline and MaxAttemptTimeout cap what the two come to. They are what
	// the options of a call say, because only at its end is known what the
	// contract allows. Zero is no cap.
	MaxDeadline, MaxAttemptTimeout time.Duration
	// DeadlineMargin is what a call that is made while serving another one leaves
	// of that one's deadline, as far as [Method.PassOn] says. Zero is nothing.
	DeadlineMargin time.Duration
	// DeadlineObserved replaces Deadline by what calls took lately.
	DeadlineObserved Observed
	// AttemptTimeoutObserved replaces AttemptTimeout by what attempts took lately.
	AttemptTimeoutObserved Observed
	// WaitForReady is how long a call waits, in all, for an endpoint while none is
	// ready. Zero is as long as connects are under way, and no longer.
	WaitForReady time.Duration
	// Safety says whether an attempt that may have reached a handler may be
	// repeated.
	Safety Safety
	// Streaming says that the method is not unary.
	Streaming bool
	// ClientStreaming says that the client sends any number of messages. What
	// was sent is gone then, so that a stream is opened again only if it provably
	// never reached a handler.
	ClientStreaming bool
	// Retry says how attempts are repeated.
	Retry Retry
	// Stream is what holds for the streams of a method that is not unary.
	Stream Stream
	// Hedge says when another attempt is started while one goes on.
	Hedge Hedge
	// Breaker says when calls are not made at all.
	Breaker Breaker
	// IdempotencyKey is where a unary call may carry a key of its own, with which
	// it may be repeated though the method is unsafe.
	IdempotencyKey Key
}

// Retry is how the failed attempts of a call are repeated.
type Retry struct {
	// MaxAttempts counts the first attempt. 0 and 1 mean no repeats.
	MaxAttempts int
	// Codes are the server's codes after which the same endpoint may be tried
	// again after a backoff.
	Codes CodeSet
	// Backoff is the wait before a repeat.
	Backoff Backoff
	// UntilDeadline lets the deadline, and the budget, bound the attempts in place
	// of MaxAttempts. It needs a deadline.
	UntilDeadline bool
	// MaxElapsed is how long after the beginning of the call a repeat may still
	// start. Zero is no bound but the deadline.
	MaxElapsed time.Duration
}

// Validate reports every value of m that contradicts another or itself, each
// as an [*FieldError], joined with [errors.Join]; nil if there are none.
func (m Method) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if m.Deadline < 0 {
		bad("deadline_ms", "is %d; a time cannot be negative: remove it to inherit, or set the time a call may take", m.Deadline.Milliseconds())
	}
	if m.AttemptTimeout < 0 {
		bad("attempt_timeout_ms", "is %d; a time cannot be negative: remove it to inherit, or set the time an attempt may take", m.AttemptTimeout.Milliseconds())
	}
	if m.DeadlineMargin < 0 {
		bad("deadline_margin_ms", "is %d; a time cannot be negative: remove it to inherit, or set 0 for no margin", m.DeadlineMargin.Milliseconds())
	}
	if m.Deadline > 0 && m.AttemptTimeout > m.Deadline {
		bad("attempt_timeout_ms", "is %d, above the deadline of %d ms, so it could never take effect: lower it, or raise deadline_ms",
			m.AttemptTimeout.Milliseconds(), m.Deadline.Milliseconds())
	}
	m.validatePayload(bad)
	if d := m.Retry.MaxElapsed; d < 0 {
		bad("retry.max_elapsed_ms", "is %d; a time cannot be negative: set how long after the beginning of the call a repeat may start, 0 for no bound", d.Milliseconds())
	}
	if m.Retry.UntilDeadline && m.Deadline == 0 {
		bad("retry.until_deadline", "is set, but there is no deadline that would end the repeats: set deadline_ms, or retry.max_attempts in its place")
	}
	m.IdempotencyKey.validate(bad)
	if m.WaitForReady < 0 {
		bad("wait_for_ready_ms", "is %d; a time cannot be negative: set how long a call may wait for an endpoint, 0 to fail at once", m.WaitForReady.Milliseconds())
	}
	if n := m.Retry.MaxAttempts; n < 1 || n > MaxAttemptsLimit {
		bad("retry.max_attempts", "is %d: set 1 for no repeats, or 2 to %d", n, MaxAttemptsLimit)
	}
	if m.Retry.Codes != 0 && !m.MayBeRepeatable() {
		bad("retry.codes", "lists %v, but the method is not idempotent, so it could be applied twice: "+
			"set option idempotency_level = IDEMPOTENT (or NO_SIDE_EFFECTS) if that is true of it, or remove the codes", m.Retry.Codes)
	}
	if err := m.Retry.Backoff.validate("retry.backoff"); err != nil {
		errs = append(errs, err...)
	}
	m.DeadlineObserved.validate(bad, "deadline_observed", m.Deadline, "deadline_ms")
	m.AttemptTimeoutObserved.validate(bad, "attempt_timeout_observed", m.AttemptTimeout, "attempt_timeout_ms")
	m.Hedge.validate(bad, m.Deadline, m.AttemptTimeout)
	m.Stream.validate(bad)
	if m.Stream.Resume != (Resume{}) && !m.Safety.Repeatable() {
		bad("stream.resume", "is set, but the method is not idempotent, so its streams cannot be opened again: "+
			"set option idempotency_level = NO_SIDE_EFFECTS (or IDEMPOTENT) if that is true of it, or remove it")
	}
	if err, ok := m.Breaker.Validate().(interface{ Unwrap() []error }); ok { // as errors.Join makes it
		errs = append(errs, err.Unwrap()...)
	}
	return errors.Join(errs...)
}

// MaxAttemptsLimit bounds MaxAttempts: more attempts of one call on a failing
// service are load without hope.
const MaxAttemptsLimit = 10

// A FieldError is one value of a policy that cannot hold.
type FieldError struct {
	// Field is the contract's name of the field, with dots: "retry.codes".
	Field string
	// Problem completes the sentence that Field begins, with how to fix it.
	Problem string
}

// Error returns the field and its problem in one line.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem }
