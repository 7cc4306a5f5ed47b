package channel

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/metadata"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/ejection"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/internal/engine/stream"
	"github.com/surefoot-rpc/surefoot/internal/wire"
)

// An attemptState is one attempt.
type attemptState struct {
	ctx    *attemptContext // that grpc-go gets
	call   *callState
	number int32
	hedge  *hedge             // what a hedge has of its own, nil for others
	start  time.Duration      // on the channel's clock
	cancel context.CancelFunc // nil unless the attempt has a context of its own
	time   timeouts.Link
	watch  *streamWatch // of a stream with limits, once it is open; else nil

	// mu guards what follows. grpc-go picks and reports on the goroutine of a
	// unary call, but on any goroutine of a stream; the timer has its own.
	mu       sync.Mutex
	counted  bool // among the attempts in flight
	told     bool // done was called
	sent     bool
	fromPeer bool
	timedOut bool
	lost     bool       // another attempt ended the call
	limit    stream.End // of the stream, that was reached
	starved  bool       // its time was up, and the budget had no repeat
	over     bool       // it ended: its time can no longer be up
	none     bool       // the last picker had no endpoint ready
	picks    bool       // a picker of ours was asked for an endpoint
	again    bool       // the endpoint has failed this call, and there was no other
	endpoint *fleet.Endpoint
	stake    *stake             // in the breaker of its group
	wire     *socket.Connection // of the endpoint, at the pick
	from     time.Duration      // when it could be sent first, on the channel's clock
	ended    time.Duration      // when, on the same clock, if it had an endpoint
	at       *balance.Endpoint  // that it is in flight on, of a call that hedges; guarded by its lock
	trailer  metadata.MD
}

// begin makes a ready to run for at most timeout, 0 for no limit but the
// call's. An attempt has at most one context of its own, for the call's
// deadline or for its timeout or for both: contexts are what costs most here.
func (a *attemptState) begin(c *callState, now, timeout time.Duration) {
	ctx := &attemptContext{Context: c.ctx}
	a.call, a.start, a.ctx = c, now, ctx
	if c.marked || a.number > 1 {
		ctx.Context = c.tells(a)
	}
	switch {
	case c.bounded:
		ctx.Context, a.cancel = context.WithDeadline(ctx.Context, c.channel.epoch.Add(c.machine.Deadline()))
	case timeout == 0 && !c.policy.Stream.Ends() && c.hedges == nil: // nobody would cancel it
	case (timeout > 0 || c.hedges != nil) && c.channel.light && ctx.Done() != nil:
		// Nobody but grpc-go waits for this context.
		ctx.light = true
	default:
		ctx.Context, a.cancel = context.WithCancel(ctx.Context)
	}
	ctx.attempt.Store(a)
	if timeout > 0 {
		// What grpc-go derives ends with the attempt, and needs nobody to follow then;
		// what filters of xDS derive may not.
		deadline := c.machine.Deadline()
		ctx.late = ctx.light && !c.channel.xds && (deadline == 0 || deadline-now > 2*timeouts.Moment)
		if !c.startTime(a, now, timeout) {
			ctx.late = false
		}
	}
}

// tells returns the context of an attempt that others are told of: it is not the
// call's first, or the call is a repeat of somebody above.
func (s *callState) tells(a *attemptState) context.Context {
	ctx := s.ctx
	if s.marked {
		ctx = wire.WithRepeated(ctx)
	}
	if n := s.previous(a); n > 0 {
		ctx = wire.WithPreviousAttempts(ctx, n)
	}
	return ctx
}

// startTime starts the time of an attempt. It reports whether that will be told that
// it lingers.
func (s *callState) startTime(a *attemptState, now, timeout time.Duration) (lingers bool) {
	switch {
	case timeout == s.of.Unary.AttemptTimeout:
		return s.of.times.Start(&a.time, a, now)
	case s.ownTimeout:
		s.channel.timeouts.StartAlone(&a.time, a, now, timeout)
		return false
	default:
		return s.channel.timeouts.Of(timeout).Start(&a.time, a, now)
	}
}

// Linger makes what grpc-go does for the attempt follow the caller's context.
func (a *attemptState) Linger() {
	if ctx := a.ctx; ctx.light {
		go ctx.follow()
	}
}

// leave ends a without a word on how it went: what made it has panicked.
func (a *attemptState) leave() {
	a.end()
	a.cut()
	inGroup := a.settleGroup(outcome.Abandoned)
	a.testify(outcome.None, false)
	inGroup.tell()
}

// leaveUnless is leave, if what made a has not returned.
func (a *attemptState) leaveUnless(returned *bool) {
	if !*returned {
		a.leave()
	}
}

// Expire ends an attempt that took too long, if its repeat can be paid for. An
// attempt that waits for an endpoint has none to move away from: it is asked
// again later. So is one that has come back to where it was tried before: to cut it
// once more would throw away what the same slow server has done by then.
func (a *attemptState) Expire() (over bool) {
	a.mu.Lock()
	if a.canceller() != nil && (a.endpoint != nil || a.sent) && !a.over && !a.again && !a.lost {
		a.timedOut = a.call.giveUp(a)
		a.starved = !a.timedOut
	}
	timedOut := a.timedOut
	a.mu.Unlock()
	if timedOut {
		a.cut()
	}
	return timedOut
}

// cut cancels what grpc-go does for the attempt.
func (a *attemptState) cut() {
	a.ctx.cancelled.Store(a.ctx.light)
	if end := a.canceller(); end != nil {
		end()
	}
}

// canceller returns what cancels the attempt, nil if nothing does: a light one is
// cancelled once grpc-go has begun.
func (a *attemptState) canceller() func() {
	if a.ctx.light {
		return a.ctx.dropper()
	}
	return a.cancel
}

// end stops the attempt's time and lets go of its context. It reports whether
// the attempt timed out.
func (a *attemptState) end() (timedOut bool) {
	if a.time.Started() && !a.time.Stop() { // it may just be told that its time is up
		a.mu.Lock()
		a.over, timedOut = true, a.timedOut
		a.mu.Unlock()
	}
	if a.watch != nil {
		a.watch.stop()
	}
	if a.cancel != nil {
		a.cancel()
	}
	return timedOut
}

// pick returns the endpoints to avoid. A second pick of one attempt means that
// the first came to nothing.
func (a *attemptState) pick() (avoid []*balance.Endpoint) {
	a.mu.Lock()
	if a.picks {
		a.pickAgain()
	}
	a.picks = true
	// Of a call with hedges, trouble belongs to all of its attempts.
	if s := a.call; s.hedges != nil || s.trouble != nil || s.of.learnt.lacking.Any() {
		avoid = s.avoided(a)
	}
	a.mu.Unlock()
	return avoid
}

// pickAgain says that the pick before came to nothing, or found nothing: the attempt
// has waited, for which no endpoint is to blame. mu is held.
func (a *attemptState) pickAgain() {
	a.from = a.call.channel.clock()
	if a.endpoint != nil {
		a.call.avoid(a.endpoint)
		a.release(-1, false, false)
		a.endpoint = nil
		a.told, a.sent, a.fromPeer, a.trailer = false, false, false, nil
	}
}

// foundNone says that a picker has no endpoint that is ready.
func (a *attemptState) foundNone() {
	a.mu.Lock()
	a.none = true
	a.mu.Unlock()
}

// unready reports whether the attempt ended for want of an endpoint.
func (a *attemptState) unready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.none && a.endpoint == nil
}

// picked says that the attempt goes to e, whether e counts what is in flight, and
// whether it was to be avoided.
func (a *attemptState) picked(e *fleet.Endpoint, counts, avoided bool) {
	wire := e.Connection()
	a.mu.Lock()
	a.endpoint, a.counted, a.wire, a.again = e, counts, wire, avoided
	if counts {
		e.Begin()
	}
	// Silence is the normal state of a stream, whose own watch looks after it.
	watch := wire != nil && !a.call.policy.Streaming && wire.Life.Sent()
	if a.call.hedges != nil {
		a.call.lock()
		a.at = &e.Endpoint
		a.call.unlock()
	}
	a.mu.Unlock()
	if watch {
		e.CheckSoon()
	}
}

// cameBack reports whether the attempt went to an endpoint that was to be avoided.
func (a *attemptState) cameBack() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.again
}

// release takes the attempt out of its endpoint's books. latency is negative if
// it says nothing. mu is held.
func (a *attemptState) release(latency time.Duration, failed, unanswered bool) {
	if a.wire != nil && !a.call.policy.Streaming {
		a.wire.Life.Over(unanswered)
	}
	a.wire = nil
	if a.counted {
		a.endpoint.End(int64(a.call.channel.clock()), latency, failed)
		a.counted = false
	}
}

// testify tells the endpoint what its attempt's end says of it. A stream's
// length says nothing.
func (a *attemptState) testify(e outcome.Evidence, unanswered bool) {
	a.mu.Lock()
	at := a.endpoint
	if at == nil {
		a.mu.Unlock()
		return
	}
	now := a.call.channel.clock()
	a.ended = now
	latency := now - max(a.from, a.start)
	timing := latency
	if a.call.policy.Streaming || e != outcome.Good && e != outcome.Bad {
		timing = -1
	}
	a.release(timing, e == outcome.Bad, unanswered)
	a.mu.Unlock()
	if a.call.policy.Streaming {
		latency = ejection.Untimed
	}
	at.Testify(now, e, latency)
}

// done is called by grpc-go when a stream ends, and when a pick turned out to
// have no connection. Its Err is not looked at: it can be nil for a failure.
func (a *attemptState) done(info balancer.DoneInfo) {
	a.mu.Lock()
	a.told, a.sent = true, info.BytesSent
	a.fromPeer = info.BytesReceived
	a.trailer = info.Trailer
	a.mu.Unlock()
}

func (a *attemptState) address() string {
	if a.endpoint == nil {
		return ""
	}
	return a.endpoint.Address()
}
