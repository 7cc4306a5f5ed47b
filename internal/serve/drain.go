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

// drain ends the server: gracefully for at most the drain timeout, then hard.
// It is called once, by drainOnce.
func (s *Server) drain() error {
	s.health.drain()
	graceful := make(chan struct{})
	// GracefulStop returns when the last handler does. After Stop that is up to
	// the handlers alone, which is why nobody waits for it here.
	go func() {
		defer close(graceful)
		s.GracefulStop()
	}()
	timeout := time.NewTimer(s.drainTimeout)
	defer timeout.Stop()
	select {
	case <-graceful:
		return nil
	case <-timeout.C:
	}
	cut := s.running.n.Load()
	s.Stop()
	if cut == 0 { // only connections were left: their clients did not answer
		return nil
	}
	return &CutError{Calls: cut, Timeout: s.drainTimeout}
}
