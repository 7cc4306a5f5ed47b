// Package series ties streams together that continue each other: whoever opens
// them one after the other learns how the method is called, and each avoids the
// endpoint of the one before.
package series

import (
	"sync"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/policy"
)

// A Series is a call option that all streams of the series carry, one after the
// other. Clients other than Surefoot's ignore it. The zero Series is ready.
type Series struct {
	grpc.EmptyCallOption

	mu       sync.Mutex
	policy   policy.Method
	known    bool
	endpoint any
	ask      func()
}

// Begin is called by the client when a stream is to be opened, with how the
// method is called. It returns the endpoint of the stream before, nil if there
// is none.
func (s *Series) Begin(p *policy.Method) (avoid any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy, s.known = *p, true
	return s.endpoint
}

// Opened is called by the client when the stream is open, with its endpoint and
// what has its connection probed.
func (s *Series) Opened(endpoint any, ask func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if endpoint != nil {
		s.endpoint, s.ask = endpoint, ask
	}
}

// Policy returns how the method is called, false if no client of Surefoot's has
// opened a stream.
func (s *Series) Policy() (policy.Method, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy, s.known
}

// Ask has the connection of the latest stream probed: an answer is overdue.
func (s *Series) Ask() {
	s.mu.Lock()
	ask := s.ask
	s.mu.Unlock()
	if ask != nil {
		ask()
	}
}
