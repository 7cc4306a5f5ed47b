package channel

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/breaker"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// until returns when the call must have ended that may take so long, 0 if never,
// and whether that is sooner than its context says.
func (s *callState) until(long time.Duration) (deadline time.Duration, sooner bool) {
	if d, ok := s.ctx.Deadline(); ok {
		deadline = s.channel.at(d)
	}
	var limit time.Duration
	if s.serving != nil && deadline != 0 {
		limit = s.passedOn(deadline)
	}
	s.inherited = limit != 0 && deadline >= limit
	if own := s.start + long; long > 0 && (limit == 0 || own < limit) {
		limit, s.inherited = own, false
	}
	if limit != 0 && (deadline == 0 || limit < deadline) {
		return limit, true
	}
	return deadline, false
}

// passedOn returns when a call that is made while serving another one must have
// ended, so that its server can still say what became of it; 0 if there is no
// such time. deadline is that of the context which the handler made the call with. A
// handler that gave it a later one than its own, or none, does not wait for it.
func (s *callState) passedOn(deadline time.Duration) time.Duration {
	t, ok := s.serving.Deadline()
	if !ok {
		return 0
	}
	above := s.channel.at(t)
	if deadline > above {
		return 0
	}
	return s.start + s.policy.PassOn(above-s.start)
}

// previous returns how many attempts a has before it that a server may
// know of: what never reached one is not counted, as gRFC A6 has it for grpc-go's
// own transparent retries.
func (s *callState) previous(a *attemptState) int { return int(a.number - 1 - s.unprocessed.Load()) }

// repeatRefused reports whether the call, which failed, should not be repeated by
// whoever made it either. A breaker that holds it back knows of the service behind it;
// a limit of calls in flight is this client's alone, and another one may have room.
func (s *callState) repeatRefused() bool {
	if s.trouble != nil && s.trouble.denial != nil && !s.trouble.denial.DryRun {
		return s.trouble.denial.Reason != breaker.Full.String()
	}
	// What expires with the call that it is made for leaves nobody time for more.
	return s.machine.Refused() || s.inherited && s.verdict == outcome.Expired
}
