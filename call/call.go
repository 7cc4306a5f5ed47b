// Package call holds the options of one call, and the one function that
// applies them. They are ordinary [grpc.CallOption] values: pass them to any
// generated stub. A call may only narrow what the contract allows: it can make
// a deadline shorter, never longer, and switch repeats off, never on.
package call

import (
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/policy"
)

// An Option narrows the policy of one call. Plain grpc-go clients ignore it.
type Option struct {
	grpc.EmptyCallOption
	narrow func(policy.Method) policy.Method
	key    string
}

// NoRetry makes the call's first attempt its only one.
func NoRetry() Option {
	return Option{narrow: func(m policy.Method) policy.Method {
		m.Retry.MaxAttempts, m.Retry.UntilDeadline = 1, false
		m.AttemptTimeout = 0
		m.AttemptTimeoutObserved = policy.Observed{}
		m.Hedge = policy.Hedge{}
		return m
	}}
}

// NoHedge has the call start no hedge: no attempt while another one goes on.
func NoHedge() Option {
	return Option{narrow: func(m policy.Method) policy.Method {
		m.Hedge = policy.Hedge{}
		return m
	}}
}

// Deadline bounds the time of the call, all attempts included. It has no
// effect if the contract or the context allows less, or if d is not positive.
func Deadline(d time.Duration) Option {
	return Option{narrow: func(m policy.Method) policy.Method {
		m.Deadline = narrower(m.Deadline, d)
		if m.DeadlinePerKiB > 0 || m.DeadlineObserved.On() { // what it comes to is not known yet
			m.MaxDeadline = narrower(m.MaxDeadline, d)
		}
		return m
	}}
}

// AttemptTimeout bounds the time of each attempt that may be repeated. It has
// no effect if the contract allows less, or if d is not positive.
func AttemptTimeout(d time.Duration) Option {
	return Option{narrow: func(m policy.Method) policy.Method {
		m.AttemptTimeout = narrower(m.AttemptTimeout, d)
		if m.AttemptTimeoutPerKiB > 0 || m.AttemptTimeoutObserved.On() {
			m.MaxAttemptTimeout = narrower(m.MaxAttemptTimeout, d)
		}
		return m
	}}
}

// WithIdempotencyKey brings the call's own idempotency key: each of its attempts
// carries it, and though its method is not idempotent the call may be repeated.
// The contract names the header that it is sent in. Where it names none the call
// fails with INVALID_ARGUMENT; where it names a field of the request, the key is
// set in the request and this option is not needed. "" is no key.
//
// A key belongs to one change: bring the same one when the same change is asked
// for again, and never for another.
func WithIdempotencyKey(key string) Option { return Option{key: key} }

// IdempotencyKey returns the key that o brings, "" if none.
func (o Option) IdempotencyKey() string { return o.key }

// Apply returns m narrowed by o.
func Apply(m policy.Method, o Option) policy.Method {
	if o.narrow == nil {
		return m
	}
	return o.narrow(m)
}

// narrower returns the shorter of two times of which zero means none.
func narrower(have, want time.Duration) time.Duration {
	if want > 0 && (have == 0 || want < have) {
		return want
	}
	return have
}
