package channel

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/observe"
)

// stream opens a stream. It is opened again only while it provably never
// reached a handler: grpc-go itself does so once for a stream that a server
// refused or that a GOAWAY passed over, and stream for one that no connection
// could be had for. The picker sees each of these attempts.
func (c *Channel) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	m := c.methods.lookup(method, c.problem)
	opts, user, p := takeOptions(opts, &m.Stream, false)
	s := &streamState{callState: c.newCall(ctx, method, p, p != &m.Stream, nil), user: user}
	opts = append(slices.Clip(opts), streamOption{state: s})
	defer s.giveBackUnlessOpen()
	var step attempt.Step // Done, if the call is not made
	err := s.admit(m.guard)
	if err == nil {
		step = s.machine.Begin(s.start)
	}
	for {
		switch step.Action {
		case attempt.Start:
			a := s.next(time.Now(), 0)
			var cs grpc.ClientStream
			cs, err = streamer(a, desc, cc, method, opts...)
			if err == nil {
				s.open(a)
				return &clientStream{ClientStream: cs, state: s}, nil
			}
			step, err = s.finish(a, err)
		case attempt.Wait:
			if !s.wait(step.Wait) {
				step = attempt.Step{Action: attempt.Done}
				continue
			}
			step = s.resume()
		case attempt.Done:
			s.guard.tell(s.callState.settle(err))
			done := s.conclude(err)
			s.tellAll(done)
			return nil, done.Err
		}
	}
}

// A streamState is the call that a stream is.
type streamState struct {
	*callState
	user *userOptions

	// mu guards what follows. A stream is opened on one goroutine and ends on
	// any, at the latest when its context does.
	mu      sync.Mutex
	latest  *opened       // what grpc-go opened last
	attempt *attemptState // of the open stream, nil before
	over    bool
	err     error // what the call ended with
}

// An opened is one stream of grpc-go. There is one for each attempt, or more
// if an interceptor of the user opens several.
type opened struct {
	state *streamState
	ended bool
	err   error
}

// finished is called by grpc-go once for each stream that it tried to open.
func (o *opened) finished(err error) {
	o.state.mu.Lock()
	o.ended, o.err = true, err
	o.state.settle() // unlocks
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
	cs, err := streamer(ctx, desc, cc, method, opts...)
	if err == nil {
		own.state.mu.Lock()
		own.state.latest = o
		own.state.mu.Unlock()
	}
	return cs, err
}

// open says that the stream was opened by a.
func (s *streamState) open(a *attemptState) {
	s.mu.Lock()
	s.attempt = a
	s.settle() // unlocks
}

// settle ends the call once the stream was open and has ended. It is called
// with mu held and releases it: whoever reads the stream waits for the call's
// error, and the hooks, which may use the stream, run afterwards.
func (s *streamState) settle() {
	if s.attempt == nil || s.over || s.latest == nil || !s.latest.ended {
		s.mu.Unlock()
		return
	}
	s.over = true
	err := s.end(s.attempt, s.latest.err)
	changed := s.callState.settle(err)
	done := s.conclude(err)
	s.err = done.Err
	s.mu.Unlock()
	s.guard.tell(changed)
	s.attemptDone()
	s.tellAll(done)
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
	s.mu.Unlock()
	s.guard.tell(changed)
}

// tellAll says that the call is over.
func (s *streamState) tellAll(done observe.Call) {
	s.callDone(done)
	s.user.deliver(done.Err)
}

// A clientStream is an open stream whose errors tell the call's story.
type clientStream struct {
	grpc.ClientStream
	state    *streamState
	answered bool // a message was read; one goroutine reads at a time
}

func (cs *clientStream) RecvMsg(m any) error {
	err := cs.ClientStream.RecvMsg(m)
	if err == nil && !cs.answered {
		cs.answered = true
		cs.state.answered()
	}
	return cs.tell(err)
}
func (cs *clientStream) SendMsg(m any) error { return cs.tell(cs.ClientStream.SendMsg(m)) }

// tell returns the error that ended the stream in place of grpc-go's own. EOF
// is no error, and one that did not end the stream has no story.
func (cs *clientStream) tell(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	cs.state.mu.Lock()
	defer cs.state.mu.Unlock()
	if cs.state.over && cs.state.err != nil {
		return cs.state.err
	}
	return err
}
