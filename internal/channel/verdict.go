package channel

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/internal/engine/stream"
	"github.com/surefoot-rpc/surefoot/internal/wire"
	"github.com/surefoot-rpc/surefoot/policy"
)

// judge returns what the attempt's end means.
func (a *attemptState) judge(err error, now time.Duration) (outcome.Verdict, outcome.Evidence, outcome.Pushback) {
	c := a.call
	a.mu.Lock()
	defer a.mu.Unlock()
	ended, deadline := c.ctx.Err(), c.machine.Deadline()
	f := outcome.Facts{
		Code:      status.Code(err),
		Cancelled: a.lost || errors.Is(ended, context.Canceled),
		Overtaken: a.lost && ended == nil,
		Expired:   errors.Is(ended, context.DeadlineExceeded) || deadline != 0 && now >= deadline,
		Closing:   c.channel.closed.Load(),
		Sent:      a.maybeSent(),
		FromPeer:  a.fromPeer,
		TimedOut:  a.timedOut,
		Aged:      a.limit == stream.Aged,

		NotExecuted: wire.WasNotExecuted(a.trailer, c.method),
	}
	if f.FromPeer && len(a.trailer) == 0 {
		// The peer's headers came. Only a status of its own can have a trailer, and need not.
		switch f.Code {
		case codes.ResourceExhausted: // unsure: so does a reply end that is too large for this client
			f.FromPeer = false
		case codes.Unavailable:
			f.FromPeer = a.wire == nil || !a.wire.Closed()
		default:
		}
	}
	if f.FromPeer && err != nil {
		f.Pushback = pushback(err, a.trailer)
	}
	v := outcome.Judge(c.policy.Retry.Codes, f)
	if c.keyed && !a.picks && !v.Repeatable(policy.Unsafe) && v.Repeatable(policy.Idempotent) {
		v = outcome.Local // an interceptor went its own way, nobody knows whether with the key
	}
	return v, outcome.Weigh(v, c.policy.Retry.Codes, f), f.Pushback
}

// explain replaces the error of an attempt that our own timer ended, which
// says no more than that a context was cancelled: the caller has cancelled
// nothing. So it does with that of one whose connection went as the client was closed,
// and of one that a deadline ended which is not that of the caller's context.
func (a *attemptState) explain(err error, v outcome.Verdict, now time.Duration) error {
	if v == outcome.Local && status.Code(err) == codes.Unavailable && !a.fromPeer && a.call.channel.closed.Load() {
		return status.Error(codes.Canceled, "surefoot: the client was closed")
	}
	if v == outcome.Expired && status.Code(err) == codes.DeadlineExceeded && a.sent && !a.fromPeer && a.call.bounded {
		return a.call.outOfTime()
	}
	if v == outcome.Abandoned || status.Code(err) != codes.Canceled {
		return err
	}
	if a.limit != stream.NoEnd {
		return a.limitReached(now)
	}
	if a.timedOut {
		return status.Errorf(codes.DeadlineExceeded, "surefoot: no reply from %s within the attempt timeout (%v)",
			a.address(), (now - a.start).Round(time.Millisecond))
	}
	return err
}

// outOfTime returns the error of a call that its policy's deadline has ended, or
// the deadline of the call for which it is made.
func (s *callState) outOfTime() error {
	limit := (s.machine.Deadline() - s.start).Round(time.Microsecond)
	if s.inherited {
		return status.Errorf(codes.DeadlineExceeded, "surefoot: the call was not over within %v, which is what the call that it is made for leaves it (deadline_margin_ms)", limit.Round(time.Millisecond))
	}
	return status.Errorf(codes.DeadlineExceeded, "surefoot: the call was not over within %v (deadline_ms)", limit)
}

// maybeSent reports whether the peer may have seen the attempt. What no picker
// was asked for can have been sent by an interceptor that goes its own way. Of one
// that has an endpoint grpc-go tells nothing if there was a second reply, for
// which it returns an error and ends nothing. mu is held.
func (a *attemptState) maybeSent() bool {
	own := &a.call.channel.cfg
	return a.sent || a.endpoint != nil && !a.told || !a.picks && len(own.Unary)+len(own.Stream) > 0
}

// blames reports whether the attempt failed for a reason that need not hold
// for another endpoint. One that was not sent, though its endpoint has a
// connection, or that got no endpoint at all, was ended by something else: no
// token, an interceptor.
func (a *attemptState) blames() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endpoint != nil && (a.sent || a.fromPeer || a.endpoint.Lost())
}

// lacks remembers that a's endpoint lacks the method.
func (s *callState) lacks(a *attemptState) {
	a.mu.Lock()
	e := a.endpoint
	a.mu.Unlock()
	if p := s.channel.fleet.Picker(); e != nil && p != nil {
		s.of.learnt.lacking.Add(e, p.Len())
	}
}
