package channel

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/internal/engine/breaker"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/internal/series"
	"github.com/surefoot-rpc/surefoot/internal/wire"
	"github.com/surefoot-rpc/surefoot/observe"
)

// stream opens a stream. It is opened again while it provably never reached a
// handler: grpc-go itself does so once for a stream that a server refused or
// that a GOAWAY passed over, and stream for one that no connection could be had
// for. The picker sees each of these attempts. One of a single request may be
// opened again until its first message has come, see serverStream.
func (c *Channel) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	m := c.methods.lookup(method, c.problem)
	opts, user, p, waits := takeOptions(opts, &m.Stream)
	var err error
	if user != nil {
		ctx, err = user.bring(ctx, method, p)
	}
	s := &streamState{callState: c.newCall(ctx, method, m, p, nil), user: user, cc: cc}
	s.waits = waits
	opts = append(slices.Clip(opts), streamOption{state: s})
	defer s.giveBackUnlessOpen()
	s.dial = func(a *attemptState) (grpc.ClientStream, error) {
		user.reset()
		returned := false
		defer a.leaveUnless(&returned)
		cs, err := streamer(a.ctx, desc, cc, method, opts...)
		returned = true
		return cs, err
	}
	s.series = seriesOf(opts)
	if s.series != nil {
		if before, ok := s.series.Begin(p).(*fleet.Endpoint); ok {
			s.avoid(before)
		}
	}
	in, err := s.begin(err)
	if err != nil {
		return nil, s.fail(err)
	}
	if desc.ServerStreams && !desc.ClientStreams && (p.Retry.MaxAttempts > 1 || p.Retry.UntilDeadline) {
		return newServerStream(s, in), nil
	}
	return &clientStream{openStream: in, state: s}, nil
}

// A streamState is the call that a stream is.
type streamState struct {
	*callState
	user   *userOptions
	cc     *grpc.ClientConn
	dial   func(*attemptState) (grpc.ClientStream, error) // makes an attempt
	series *series.Series                                 // that the stream is one of, nil if none

	// mu guards what follows. A stream is opened on one goroutine and ends on
	// any, at the latest when its context does.
	mu       sync.Mutex
	latest   *opened       // what grpc-go opened last
	attempt  *attemptState // of the open stream, nil before
	deciding int           // how many wait, who decide what an end means
	over     bool
	err      error // what the call ended with
}

// An openStream is the stream of one attempt, and its watch, if it has one.
type openStream struct {
	grpc.ClientStream
	watch *streamWatch
	over  bool // an attempt came after it, which got no stream
}

// Trailer returns what of the trailer is the user's.
func (o openStream) Trailer() metadata.MD {
	if o.over {
		return nil
	}
	return wire.HideOwn(o.ClientStream.Trailer())
}

func (o openStream) RecvMsg(m any) error {
	o.watch.receive()
	err := o.ClientStream.RecvMsg(m)
	o.watch.received(err)
	return err
}

func (o openStream) SendMsg(m any) error {
	o.watch.send()
	err := o.ClientStream.SendMsg(m)
	o.watch.sent()
	return err
}

func (o openStream) Header() (metadata.MD, error) {
	end := o.watch.receiveHeader()
	md, err := o.ClientStream.Header()
	end()
	return md, err
}

// begin makes the first attempts, if the call may be made. err says that it must
// not be.
func (s *streamState) begin(err error) (openStream, error) {
	step, err := s.callState.begin(s.cc, err)
	if err != nil {
		return openStream{}, err
	}
	return s.run(step, nil)
}

// run makes attempts, beginning with step, until one has a stream or the call
// is over; then err is what the last one ended with.
func (s *streamState) run(step attempt.Step, err error) (openStream, error) {
	for {
		switch step.Action {
		case attempt.Start:
			a := s.next(attempt.Step{Number: step.Number})
			var cs grpc.ClientStream
			if cs, err = s.dial(a); err == nil {
				return s.open(a, cs), nil
			}
			step, err = s.finish(a, err)
		case attempt.Wait:
			if !s.wait(step.For) {
				return openStream{}, err
			}
			step, err = s.resume(s.cc, err)
		case attempt.Done, attempt.Await: // streams do not hedge
			return openStream{}, err
		}
	}
}

// An opened is one stream of grpc-go. There is one for each attempt, or more
// if an interceptor of the user opens several.
type opened struct {
	grpc.ClientStream

	state *streamState

	cancel context.CancelFunc // of one that a single message ends, nil for others

	// Guarded by the state's mu.
	ended bool
	err   error
	done  chan struct{} // closed when it has ended; nil while nobody waits
}

// finished is called by grpc-go once for each stream that it tried to open, when
// it has filled in what the user asked for.
func (o *opened) finished(err error) {
	s := o.state
	if o.cancel != nil {
		o.cancel()
	}
	s.mu.Lock()
	o.ended = true
	if o.err == nil {
		o.err = err
	}
	end := s.settle()
	if o.done != nil {
		close(o.done)
	}
	s.mu.Unlock()
	s.tellEnd(end)
}

// await waits for finished, once grpc-go has returned what ends the stream.
// Whoever cancels a stream ends it on another goroutine, which may not have come
// to finished yet, and then nobody would know what an error means, and the user's
// options would be filled in while he looks at them.
//
// One error of grpc-go's ends nothing: that there was a second reply where one is
// due. Nobody else would end such a stream: it is cancelled, and err is its end.
func (o *opened) await(err error) {
	o.state.mu.Lock()
	if o.ended {
		o.state.mu.Unlock()
		return
	}
	if o.done == nil {
		o.done = make(chan struct{})
	}
	done := o.done
	if o.cancel != nil && !errors.Is(err, io.EOF) {
		o.err = err
	}
	o.state.mu.Unlock()
	if o.cancel != nil && err != nil {
		o.cancel()
	}
	<-done
}

func (o *opened) RecvMsg(m any) error {
	err := o.ClientStream.RecvMsg(m)
	if err != nil || o.cancel != nil {
		o.await(err)
	}
	return err
}

func (o *opened) SendMsg(m any) error {
	err := o.ClientStream.SendMsg(m)
	if err != nil && !errors.Is(err, io.EOF) { // EOF: RecvMsg has the error
		o.await(err)
	}
	return err
}

func (o *opened) Header() (metadata.MD, error) {
	md, err := o.ClientStream.Header()
	if md == nil {
		o.await(err)
	}
	return md, err
}

// streamOption carries the call past the user's interceptors, which need not
// pass on their context. grpc-go never sees it.
type streamOption struct {
	grpc.EmptyCallOption
	state *streamState
}

// open opens one stream. It is the innermost interceptor.
func (c *Channel) open(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	i := slices.IndexFunc(opts, func(o grpc.CallOption) bool { _, ok := o.(streamOption); return ok })
	if i < 0 {
		return streamer(ctx, desc, cc, method, opts...)
	}
	own, _ := opts[i].(streamOption)
	o := &opened{state: own.state}
	opts = slices.Clone(opts)
	opts[i] = grpc.OnFinish(o.finished)
	if !desc.ServerStreams {
		ctx, o.cancel = context.WithCancel(ctx)
	}
	cs, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil { // and finished was called
		return nil, err
	}
	o.ClientStream = cs
	own.state.mu.Lock()
	own.state.latest = o
	own.state.mu.Unlock()
	return o, nil
}

// open says that the stream was opened by a.
func (s *streamState) open(a *attemptState, cs grpc.ClientStream) openStream {
	if s.policy.Stream.Limits() {
		a.watchStream()
	}
	if s.series != nil {
		if e, wire := a.route(); e != nil {
			s.series.Opened(e, func() { e.Ask(wire) })
		}
	}
	s.mu.Lock()
	s.attempt = a
	end := s.settle()
	s.mu.Unlock()
	s.tellEnd(end)
	return openStream{ClientStream: cs, watch: a.watch}
}

// seriesOf returns the series among opts, nil if there is none.
func seriesOf(opts []grpc.CallOption) *series.Series {
	for _, o := range opts {
		if s, ok := o.(*series.Series); ok {
			return s
		}
	}
	return nil
}

// An ending is what there is to tell of the end of a stream. Hooks may use the
// stream: they run when mu is not held.
type ending struct {
	attempt *attemptState // that ended with it, nil if none did
	breaker *breaker.Change
	group   change
	call    observe.Call
}

// settle ends the call once the stream was open and has ended, unless somebody
// is about to decide what that means, and returns what to tell then. mu is held.
func (s *streamState) settle() (e ending) {
	if s.attempt == nil || s.over || s.deciding > 0 || s.latest == nil || !s.latest.ended {
		return ending{}
	}
	err := s.end(s.attempt, s.latest.err)
	e.attempt, e.group = s.attempt, s.attempt.settleGroup(s.ended(err))
	s.close(&e, err)
	return e
}

// close ends the call with err. mu is held.
func (s *streamState) close(e *ending, err error) {
	s.over = true
	e.breaker = s.callState.settle(err)
	e.call = s.conclude(err)
	s.err = e.call.Err
	s.user.deliver()
}

// tellEnd tells of the end of the call, if it has come.
func (s *streamState) tellEnd(e ending) {
	if e.call.Method == "" {
		return
	}
	s.of.guard.tell(e.breaker)
	e.group.tell()
	if e.attempt != nil {
		s.attemptDone(e.attempt)
	}
	s.callDone(e.call)
	s.user.finished(e.call.Err)
}

// giveBackUnlessOpen gives back what the call holds of its breaker if it ends
// before it has a stream: then nothing else does.
func (s *streamState) giveBackUnlessOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempt == nil {
		s.giveBack()
	}
}

// answered tells the breaker of the stream's first message.
func (s *streamState) answered() {
	s.mu.Lock()
	changed := s.callState.answered()
	inGroup := s.attempt.settleGroup(outcome.Success)
	s.mu.Unlock()
	s.of.guard.tell(changed)
	inGroup.tell()
}

// fail ends the call with err, after its last attempt, and returns the caller's
// error.
func (s *streamState) fail(err error) error {
	e := s.failWith(err)
	s.tellEnd(e)
	return e.call.Err
}

// failWith is fail; it returns what to tell.
func (s *streamState) failWith(err error) (e ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(&e, err)
	return e
}

// tell returns the error that ended the stream in place of grpc-go's own. EOF
// is no error, and one that did not end the stream has no story.
func (s *streamState) tell(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over && s.err != nil {
		return s.err
	}
	return err
}

// A clientStream is an open stream whose errors tell the call's story.
type clientStream struct {
	openStream

	state    *streamState
	answered bool // a message was read; one goroutine reads at a time
}

func (cs *clientStream) RecvMsg(m any) error {
	err := cs.openStream.RecvMsg(m)
	if err == nil && !cs.answered {
		cs.answered = true
		cs.state.answered()
	}
	return cs.state.tell(err)
}

func (cs *clientStream) SendMsg(m any) error { return cs.state.tell(cs.openStream.SendMsg(m)) }
