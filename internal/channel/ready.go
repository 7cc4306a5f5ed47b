package channel

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
)

// patience returns how long the call may wait for an endpoint in our own hands. 0
// leaves it to grpc-go: it does so for a balancer that is not ours, and a caller may
// say how, with grpc.WaitForReady.
func (s *callState) patience() time.Duration {
	if s.waits || s.channel.xds {
		return 0
	}
	return s.policy.WaitForReady
}

// mustAwait reports whether the call must wait for an endpoint in our own hands.
func (s *callState) mustAwait() bool { return s.channel.fleet.Picker() == nil && s.patience() > 0 }

// awaitReady waits until an endpoint is ready, for as long as the call may, and
// returns why there is none.
func (s *callState) awaitReady(cc *grpc.ClientConn) error {
	c, begin := s.channel, s.channel.clock()
	if cc.GetState() == connectivity.Idle {
		cc.Connect() // as the first attempt would
	}
	limit := s.patience() - s.waited
	if d := s.machine.Deadline(); d != 0 {
		limit = min(limit, d-begin)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		changed := c.fleet.Changed()
		if c.fleet.Picker() != nil {
			s.waited += c.clock() - begin
			return nil
		}
		select {
		case <-changed:
			continue
		case <-timer.C:
		case <-s.ctx.Done():
		case <-c.closing:
		}
		s.waited += c.clock() - begin
		return s.unready()
	}
}

// unready returns the error of a call that waited for an endpoint.
func (s *callState) unready() error {
	c, waited, deadline := s.channel, s.waited.Round(time.Millisecond), s.machine.Deadline()
	switch {
	case errors.Is(s.ctx.Err(), context.Canceled):
		return status.Errorf(codes.Canceled, "surefoot: the caller gave up after %v, while no endpoint of %s was ready: %s", waited, c.cfg.Target, c.fleet.Why())
	case c.closed.Load():
		return status.Errorf(codes.Canceled, "surefoot: the client was closed while no endpoint of %s was ready", c.cfg.Target)
	case s.ctx.Err() != nil, deadline != 0 && c.clock() >= deadline:
		return status.Errorf(codes.DeadlineExceeded, "surefoot: the deadline passed after %v, while no endpoint of %s was ready: %s", waited, c.cfg.Target, c.fleet.Why())
	default:
		return status.Errorf(codes.Unavailable, "surefoot: no endpoint of %s was ready within %v (wait_for_ready_ms): %s", c.cfg.Target, waited, c.fleet.Why())
	}
}

// resume goes on after a wait, once an endpoint is ready. err is what the last
// attempt ended with. It stays the call's if there is none to go on with, unless
// that attempt found no endpoint either.
func (s *callState) resume(cc *grpc.ClientConn, err error) (attempt.Step, error) {
	var none error
	if s.mustAwait() {
		none = s.awaitReady(cc)
	}
	s.lock()
	defer s.unlock()
	if none != nil {
		s.machine.Abandon()
		s.interrupted()
		last := &s.story()[len(s.story())-1]
		last.Next = status.Convert(none).Message()
		if last.Endpoint == "" {
			err = none
		}
		return attempt.Step{}, err
	}
	step := s.machine.Resume(s.channel.clock())
	if step.Action == attempt.Done {
		story := s.story()
		story[len(story)-1].Next = step.Why
	}
	return step, err
}
