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
// header. A caller that has seen the header, or the context, has seen this
// stream and no other: it is not opened again then, as in grpc-go.
type serverStream struct {
	state *streamState
	now   atomic.Pointer[openStream]
	// committed says that the stream is not opened again.
	committed atomic.Bool
	answered  bool // a message was read; one goroutine reads at a time

	reading sync.Mutex // held by whoever may open it again

	// sending orders what is sent with what is sent again, and guards what
	// follows. The request is the caller's, who must leave it alone after SendMsg
	// (grpc.ClientStream).
	sending sync.Mutex
	request any
	sent    bool
	closed  bool
}

func newServerStream(s *streamState, in openStream) *serverStream {
	cs := &serverStream{state: s}
	cs.now.Store(&in)
	return cs
}

func (cs *serverStream) RecvMsg(m any) error {
	err := cs.recv(m)
	if err == nil && !cs.answered {
		cs.answered = true
		cs.state.answered()
	}
	return cs.state.tell(err)
}

func (cs *serverStream) recv(m any) error {
	if cs.committed.Load() {
		return cs.now.Load().RecvMsg(m)
	}
	cs.reading.Lock()
	defer cs.reading.Unlock()
	return cs.first(func(in *openStream) (bool, error) {
		err := in.RecvMsg(m)
		return err == nil, err
	})
}

// Header waits for the header, and opens the stream again where RecvMsg would.
// If another goroutine waits for a message, it is that one's to do.
func (cs *serverStream) Header() (md metadata.MD, err error) {
	header := func(in *openStream) (bool, error) {
		md, err = in.Header()
		return md != nil, err
	}
	if cs.committed.Load() || !cs.reading.TryLock() {
		if ok, err := header(cs.now.Load()); !ok {
			return nil, err
		}
		cs.committed.Store(true)
		return md, nil
	}
	defer cs.reading.Unlock()
	err = cs.first(header)
	return md, cs.state.tell(err)
}

// first waits for the first sign of the server, on one stream after the other.
// reading is held.
func (cs *serverStream) first(wait func(*openStream) (ok bool, err error)) error {
	cs.state.decide()
	defer cs.state.decided()
	for {
		ok, err := wait(cs.now.Load())
		switch {
		case ok:
			cs.committed.Store(true)
			if cs.sending.TryLock() { // or else SendMsg drops it
				cs.request = nil
				cs.sending.Unlock()
			}
			return err
		case cs.committed.Load() || !cs.again():
			return err
		}
	}
}

// again opens the stream again after it has failed, and sends again what was
// sent. It returns false if the call is over, or the stream has not failed: an
// interceptor's error ends no stream. reading is held.
func (cs *serverStream) again() bool {
	s := cs.state
	a, err := s.failed()
	if a == nil {
		return false
	}
	step, err := s.finish(a, err)
	in, err := s.run(step, err)
	if err != nil {
		_ = s.fail(err) // which tell knows
		return false
	}
	cs.sending.Lock()
	defer cs.sending.Unlock()
	cs.now.Store(&in)
	if cs.sent {
		_ = in.SendMsg(cs.request) // whoever reads is told
	}
	if cs.closed {
		_ = in.CloseSend() // likewise
	}
	return true
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

func (cs *serverStream) Context() context.Context {
	cs.committed.Store(true)
	return cs.now.Load().Context()
}

func (cs *serverStream) Trailer() metadata.MD { return cs.now.Load().Trailer() }

// decide says that the caller waits, who decides what the end of an attempt
// means.
func (s *streamState) decide() {
	s.mu.Lock()
	s.deciding = true
	s.mu.Unlock()
}

// decided says that the caller waits no longer.
func (s *streamState) decided() {
	s.mu.Lock()
	s.deciding = false
	if s.attempt == nil && !s.over { // an interceptor has panicked
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
