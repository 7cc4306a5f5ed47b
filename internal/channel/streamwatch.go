package channel

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
	"github.com/surefoot-rpc/surefoot/internal/engine/stream"
)

// A streamWatch is one timer that looks whether a stream has reached a limit. On
// the path of a message there are a look at the clock and a few atomic stores.
type streamWatch struct {
	attempt *attemptState

	receiving atomic.Int64 // since when the caller waits for a message, on the channel's clock; 0 is not
	sending   atomic.Int64 // likewise, to send one
	before    atomic.Uint64
	started   atomic.Bool

	mu     sync.Mutex // guards what follows
	engine stream.Watch
	timer  *time.Timer
	over   bool
}

// broken is what receiving becomes when the wait was too long: whoever has
// waited until then did not get its message in time.
const broken = -1

// watchStream watches the stream that a has opened, from now on.
func (a *attemptState) watchStream() {
	c := a.call
	w := &streamWatch{attempt: a, engine: stream.New(c.policy.Stream, c.channel.clock(), c.channel.cfg.Random())}
	a.watch = w
	w.mu.Lock()
	defer w.mu.Unlock()
	if next := w.check().Next; next > 0 {
		w.timer = time.AfterFunc(next-c.channel.clock(), w.fire)
	}
}

// check asks the engine. mu is held.
func (w *streamWatch) check() stream.Step {
	f := stream.Facts{
		Now:       w.attempt.call.channel.clock(),
		Receiving: time.Duration(max(w.receiving.Load(), 0)),
		Sending:   time.Duration(w.sending.Load()),
		Started:   w.started.Load(),
		Before:    w.before.Load(),
		Read:      w.attempt.bytesRead(),
	}
	s := w.engine.Check(f)
	if s.End == stream.NoFirstMessage || s.End == stream.Silent {
		if !w.receiving.CompareAndSwap(int64(f.Receiving), broken) { // a message has just come
			return stream.Step{Next: f.Now + 1}
		}
	}
	return s
}

// fire is run by the timer.
func (w *streamWatch) fire() {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	s := w.check()
	if w.over = s.End != stream.NoEnd; !w.over && s.Next > 0 {
		w.timer.Reset(s.Next - w.attempt.call.channel.clock())
	}
	w.mu.Unlock()
	switch {
	case s.End != stream.NoEnd:
		w.attempt.breakOff(s.End)
	case s.Probe:
		if e, wire := w.attempt.route(); e != nil {
			e.Ask(wire)
		}
	}
}

// stop ends the watch.
func (w *streamWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// receive says that the caller waits for a message, received that it waits no
// longer. A nil watch notes nothing, here and below.
func (w *streamWatch) receive() {
	if w != nil {
		w.before.Store(w.attempt.bytesRead())
		w.receiving.Store(int64(w.attempt.call.channel.clock()))
	}
}

func (w *streamWatch) received(err error) {
	if w != nil {
		w.receiving.Store(0)
		if err == nil && !w.started.Load() {
			w.started.Store(true)
		}
	}
}

// receiveHeader says that the caller waits for the header until end is called.
// A wait for a message that goes on meanwhile is the one that counts.
func (w *streamWatch) receiveHeader() (end func()) {
	if w == nil {
		return func() {}
	}
	before, since := w.attempt.bytesRead(), int64(w.attempt.call.channel.clock())
	if w.receiving.CompareAndSwap(0, since) {
		w.before.Store(before)
	}
	return func() { w.receiving.CompareAndSwap(since, 0) }
}

// send says that the caller waits for a message to be sent, sent that it waits
// no longer.
func (w *streamWatch) send() {
	if w != nil && w.attempt.call.policy.Stream.SendTimeout > 0 {
		w.sending.Store(int64(w.attempt.call.channel.clock()))
	}
}

func (w *streamWatch) sent() {
	if w != nil {
		w.sending.Store(0)
	}
}

// bytesRead returns how many bytes came on the attempt's connection.
func (a *attemptState) bytesRead() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wire == nil {
		return 0
	}
	return a.wire.Life.Read.Load()
}

// route returns the attempt's endpoint and connection, nil if it has none.
func (a *attemptState) route() (*fleet.Endpoint, *socket.Connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endpoint, a.wire
}

// breakOff ends an attempt whose stream has reached a limit.
func (a *attemptState) breakOff(why stream.End) {
	a.mu.Lock()
	a.limit, a.timedOut = why, why != stream.Aged
	a.mu.Unlock()
	a.cancel()
}

// limitReached returns the error of a stream that the client ended. mu is held.
// What an own timer ended is DEADLINE_EXCEEDED, as for a unary attempt; what is
// to be opened again though the caller has time is UNAVAILABLE.
func (a *attemptState) limitReached(now time.Duration) error {
	p, at, took := a.call.policy.Stream, a.address(), (now - a.start).Round(time.Millisecond)
	switch a.limit {
	case stream.NoFirstMessage:
		return status.Errorf(codes.DeadlineExceeded, "surefoot: no first message from %s within %v (stream.first_message_timeout_ms)", at, p.FirstMessageTimeout)
	case stream.Blocked:
		return status.Errorf(codes.DeadlineExceeded, "surefoot: %s has not read for %v, so that a message could not be sent (stream.send_timeout_ms)", at, p.SendTimeout)
	case stream.Silent:
		return status.Errorf(codes.Unavailable, "surefoot: no message from %s for %v (stream.silence_ms)", at, p.Silence)
	case stream.Aged, stream.NoEnd:
	}
	return status.Errorf(codes.Unavailable, "surefoot: the stream from %s has reached its maximum age after %v (stream.max_age_ms): open it again", at, took)
}
