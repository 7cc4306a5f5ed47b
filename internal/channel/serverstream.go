package channel

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/metadata"
)

// A serverStream is a stream of one request and many replies. Until the first
// reply has come, one that fails is opened again elsewhere, if its verdict, the
// attempts and the budget allow it.
//
// That happens on the goroutine that waits for the first message, or for the
// header; if two wait, on that which sees the failure first. A caller that has
// seen the header, or the context, has seen this stream and no other: it is not
// opened again then, as in grpc-go.
type serverStream struct {
	state *streamState
	now   atomic.Pointer[openStream]
	// committed says that the stream is not opened again.
	committed atomic.Bool
	answered  bool // a message was read; one goroutine reads at a time

	// changing is held, by whoever has put something in, while the stream is opened
	// again, and to commit it. To open it can take long, and ends with the context.
	changing chan struct{}

	// sending orders what is sent with what is sent again, and guards what
	// follows. The request is the caller's, who must leave it alone after SendMsg
	// (grpc.ClientStream).
	sending sync.Mutex
	request any
	sent    bool
	closed  bool
}

func newServerStream(s *streamState, in openStream) *serverStream {
	cs := &serverStream{state: s, changing: make(chan struct{}, 1)}
	cs.now.Store(&in)
	return cs
}

func (cs *serverStream) RecvMsg(m any) error {
	err := cs.first(func(in *openStream) (bool, error) {
		err := in.RecvMsg(m)
		return err == nil, err
	})
	if err == nil && !cs.answered {
		cs.answered = true
		cs.state.answered()
	}
	return cs.state.tell(err)
}

// Header waits for the header, and opens the stream again where RecvMsg would.
func (cs *serverStream) Header() (md metadata.MD, err error) {
	err = cs.first(func(in *openStream) (bool, error) {
		md, err = in.Header()
		return md != nil, err
	})
	return md, cs.state.tell(err)
}

// first waits for the first sign of the server, on one stream after the other.
func (cs *serverStream) first(wait func(*openStream) (ok bool, err error)) error {
	if cs.committed.Load() {
		_, err := wait(cs.now.Load())
		return err
	}
	cs.state.decide()
	defer cs.state.decided()
	for {
		in := cs.now.Load()
		ok, err := wait(in)
		if ok && cs.commit(in) || !ok && !cs.again(in) {
			return err
		}
	}
}

// commit says that the caller has seen in, so that it is not opened again. It
// returns false if it was.
func (cs *serverStream) commit(in *openStream) bool {
	cs.changing <- struct{}{}
	defer func() { <-cs.changing }()
	if cs.now.Load() != in {
		return false
	}
	cs.keep()
	return true
}

// keep makes the stream of now the only one. changing is held.
func (cs *serverStream) keep() {
	cs.committed.Store(true)
	if cs.sending.TryLock() { // or else SendMsg drops it
		cs.request = nil
		cs.sending.Unlock()
	}
}

// again opens the stream again after in has failed, unless another goroutine has.
// It returns false if the call is over, or the stream has not failed: an
// interceptor's error ends no stream.
func (cs *serverStream) again(in *openStream) bool {
	opened, end := cs.reopen(in)
	cs.state.tellEnd(end) // hooks may use the stream
	return opened
}

// reopen is again; it returns what to tell.
func (cs *serverStream) reopen(in *openStream) (opened bool, end ending) {
	cs.changing <- struct{}{}
	defer func() { <-cs.changing }()
	switch {
	case cs.now.Load() != in:
		return true, end
	case cs.committed.Load():
		return false, end
	}
	s := cs.state
	a, err := s.failed()
	if a == nil {
		return false, end
	}
	made := s.machine.Made()
	step, err := s.finish(a, err)
	next, err := s.run(step, err)
	if err != nil {
		if s.machine.Made() > made { // what the call ended with has no trailer
			cs.now.Store(&openStream{ClientStream: in.ClientStream, over: true})
		}
		return false, s.failWith(err)
	}
	cs.replay(next)
	return true, end
}

// replay makes next the stream of now, and sends again what was sent.
func (cs *serverStream) replay(next openStream) {
	cs.sending.Lock()
	defer cs.sending.Unlock()
	cs.now.Store(&next)
	if cs.sent {
		_ = next.SendMsg(cs.request) // whoever reads is told
	}
	if cs.closed {
		_ = next.CloseSend() // likewise
	}
}

func (cs *serverStream) SendMsg(m any) error {
	cs.sending.Lock()
	defer cs.sending.Unlock()
	if !cs.sent {
		cs.request, cs.sent = m, true
	}
	err := cs.now.Load().SendMsg(m)
	if cs.committed.Load() {
		cs.request = nil
	}
	return cs.state.tell(err)
}

func (cs *serverStream) CloseSend() error {
	cs.sending.Lock()
	defer cs.sending.Unlock()
	cs.closed = true
	return cs.now.Load().CloseSend()
}

// Context waits while the stream is opened again: the one before is over, and its
// context done.
func (cs *serverStream) Context() context.Context {
	cs.changing <- struct{}{}
	defer func() { <-cs.changing }()
	cs.keep()
	return cs.now.Load().Context()
}

func (cs *serverStream) Trailer() metadata.MD { return cs.now.Load().Trailer() }

// decide says that the caller waits, who decides what the end of an attempt
// means.
func (s *streamState) decide() {
	s.mu.Lock()
	s.deciding++
	s.mu.Unlock()
}

// decided says that the caller waits no longer.
func (s *streamState) decided() {
	s.mu.Lock()
	s.deciding--
	if s.attempt == nil && !s.over && s.deciding == 0 { // an interceptor has panicked
		s.giveBack()
	}
	end := s.settle()
	s.mu.Unlock()
	s.tellEnd(end)
}

// failed takes the attempt whose stream has failed, with its error; nil if none
// has.
func (s *streamState) failed() (*attemptState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.attempt == nil || s.latest == nil || !s.latest.ended || s.latest.err == nil {
		return nil, nil //nolint:nilnil // no failure is no mistake
	}
	a, err := s.attempt, s.latest.err
	s.attempt, s.latest = nil, nil
	return a, err
}
