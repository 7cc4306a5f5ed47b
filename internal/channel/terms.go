package channel

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/policy"
)

// terms returns what holds for this call of its method: what its context says,
// and where the contract asks what its request, and the calls before it, do. req
// is nil for streams.
func (s *callState) terms(req any) attempt.Terms {
	p := s.policy
	t := attempt.Terms{AttemptTimeout: p.AttemptTimeout, Safety: p.Safety}
	deadline := p.Deadline
	if p.Varies() {
		size := 0
		if p.DependsOnSize() {
			size = sizeOf(req)
		}
		now := s.start
		base := s.of.attemptTimeout(p, now)
		deadline = policy.Sized(s.of.deadline(p, now), p.DeadlinePerKiB, p.MaxDeadline, size)
		t.AttemptTimeout = policy.Sized(base, p.AttemptTimeoutPerKiB, p.MaxAttemptTimeout, size)
		s.ownTimeout = s.ownTimeout || t.AttemptTimeout != base
	}
	if !t.Safety.Repeatable() && p.IdempotencyKey != (policy.Key{}) && s.hasKey(req) {
		t.Safety = policy.Idempotent
	}
	t.Deadline, s.bounded = s.until(deadline)
	return t
}

// sizeOf returns how large a request is on the wire, uncompressed. What is not
// a protobuf message has no size that could be known before it is encoded.
func sizeOf(req any) int {
	switch m := req.(type) {
	case proto.Message:
		return proto.Size(m)
	case protoadapt.MessageV1:
		return proto.Size(protoadapt.MessageV2Of(m))
	default:
		return 0
	}
}
