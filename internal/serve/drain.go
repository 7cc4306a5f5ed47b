package serve

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A CutError says that a drain ended before the calls did.
type CutError struct {
	// Calls is how many calls were cut.
	Calls int64
	// Timeout is how long the drain waited for them.
	Timeout time.Duration
}

// Error says how many calls were cut and how to give them more time.
func (e *CutError) Error() string {
	calls := "calls were"
	if e.Calls == 1 {
		calls = "call was"
	}
	return fmt.Sprintf("surefoot: server: %d %s still running after a drain of %v and cut: "+
		"raise the drain timeout, or let handlers end when their context is done", e.Calls, calls, e.Timeout)
}

// running counts the calls that are between the server and their handlers.
type running struct{ n atomic.Int64 }

// GracefulStop ends the server when its last call ends, however long that
// takes: health is NOT_SERVING from now on, and health watches end. The drain
// of Serve is bounded, and is to be preferred.
func (s *Server) GracefulStop() {
	s.health.drain()
	s.Server.GracefulStop()
}

// Stop ends the server at once and cuts its calls.
func (s *Server) Stop() {
	s.health.drain()
	s.Server.Stop()
}

// drain ends the server: gracefully for at most the drain timeout, then hard.
// It is called once, by drainOnce.
func (s *Server) drain() error {
	s.drains.Store(true)
	s.health.drain()
	graceful := make(chan struct{})
	// GracefulStop returns when the last handler does. After Stop that is up to
	// the handlers alone, which is why nobody waits for it here.
	go func() {
		defer close(graceful)
		s.Server.GracefulStop()
	}()
	timeout := time.NewTimer(s.drainTimeout)
	defer timeout.Stop()
	select {
	case <-graceful:
		return nil
	case <-timeout.C:
	}
	cut := s.running.n.Load()
	s.Server.Stop()
	if cut == 0 { // only connections were left: their clients did not answer
		return nil
	}
	return &CutError{Calls: cut, Timeout: s.drainTimeout}
}
