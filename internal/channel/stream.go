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
	m, err := c.cfg.Table.Lookup(method)
	c.problem(err)
	opts, user, p := takeOptions(opts, &m.Stream, false)
	s := &streamState{callState: c.newCall(ctx, method, p), user: user}
	opts = append(slices.Clip(opts), grpc.OnFinish(s.finished))
	step := s.machine.Begin(s.start)
	for {
		switch step.Action {
		case attempt.Start:
			a := s.next(time.Now(), 0)
			var cs grpc.ClientStream
			cs, err = streamer(a, desc, cc, method, opts...) //nolint:contextcheck // a is the caller's context and more
			if err == nil {
				s.open(a)
				return &clientStream{ClientStream: cs, state: s}, nil
			}
			s.reset()
			step, err = s.finish(a, err)
		case attempt.Wait:
			if !s.wait(step.Wait) {
				step = attempt.Step{Action: attempt.Done}
				continue
			}
			step = s.resume()
		case attempt.Done:
			done := s.conclude(err)
			s.over(done)
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
	attempt *attemptState // of the open stream, nil before
	ended   bool          // grpc-go has said so
	err     error         // what the stream ended with, for the caller
	raw     error         // what grpc-go said
}

// finished is called by grpc-go once for each stream that it tried to open.
func (s *streamState) finished(err error) {
	s.mu.Lock()
	s.ended, s.raw = true, err
	s.settle() // unlocks
}

// open says that the stream was opened by a.
func (s *streamState) open(a *attemptState) {
	s.mu.Lock()
	s.attempt = a
	s.settle() // unlocks
}

// reset forgets the end of a stream that was not opened.
func (s *streamState) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.raw = false, nil
}

// settle ends the call once the stream was open and has ended. It is called
// with mu held and releases it: whoever reads the stream waits for the call's
// error, and the hooks, which may use the stream, run afterwards.
func (s *streamState) settle() {
	if s.attempt == nil || !s.ended {
		s.mu.Unlock()
		return
	}
	done := s.conclude(s.end(s.attempt, s.raw))
	s.err = done.Err
	s.mu.Unlock()
	s.attemptDone()
	s.over(done)
}

// over says that the call is over.
func (s *streamState) over(done observe.Call) {
	s.callDone(done)
	s.user.deliver(done.Err)
}

// A clientStream is an open stream whose errors tell the call's story.
type clientStream struct {
	grpc.ClientStream
	state *streamState
}

func (cs *clientStream) RecvMsg(m any) error { return cs.tell(cs.ClientStream.RecvMsg(m)) }
func (cs *clientStream) SendMsg(m any) error { return cs.tell(cs.ClientStream.SendMsg(m)) }

// tell returns the error that ended the stream in place of grpc-go's own. EOF
// is no error, and one that did not end the stream has no story.
func (cs *clientStream) tell(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	cs.state.mu.Lock()
	defer cs.state.mu.Unlock()
	if cs.state.ended && cs.state.err != nil {
		return cs.state.err
	}
	return err
}
