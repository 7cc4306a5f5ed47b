package contract

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// futile reports what the options of a unary method set themselves and what
// can never take effect. What a method inherits was written for others too, and
// may suit those.
func (p *problems) futile(at place, prefix string, mo *surefootv1.Method, safety policy.Safety, inherited policy.Method) {
	if mo.GetIdempotencyKey().GetPlace() != nil && safety.Repeatable() {
		p.add(at, prefix+"idempotency_key", "is set, but the method is idempotent with or without one, so it could never take effect: remove it")
	}
	if ro := mo.GetRetry(); ro.GetMaxAttempts() == 1 && len(ro.GetCodes()) > 0 {
		p.add(at, prefix+"retry.codes", fmt.Sprintf("lists %v, but max_attempts is 1, so they could never take effect: "+
			"raise retry.max_attempts, or remove the codes", ro.GetCodes()))
	}
	once := !safety.Repeatable() && applyAttempts(inherited, mo, true).IdempotencyKey == (policy.Key{})
	if ms := mo.GetAttemptTimeoutMs(); ms > 0 && ms <= maxMillis && once {
		p.add(at, prefix+"attempt_timeout_ms", fmt.Sprintf("is %d, but the method is not idempotent, so it could never take effect: "+
			"set option idempotency_level = IDEMPOTENT (or NO_SIDE_EFFECTS) if that is true of it, name an idempotency_key, or remove it", ms))
	}
	if mo.GetAttemptTimeoutObserved().GetQuantilePermille() > 0 && once {
		p.add(at, prefix+"attempt_timeout_observed", "is set, but the method is not idempotent, so it could never take effect: "+
			"set option idempotency_level = IDEMPOTENT (or NO_SIDE_EFFECTS) if that is true of it, name an idempotency_key, or remove it")
	}
	p.futileHedge(at, prefix, mo, !safety.Repeatable())
	if ms := mo.GetRetry().GetMaxElapsedMs(); ms > 0 && mo.GetRetry().GetMaxAttempts() == 1 {
		p.add(at, prefix+"retry.max_elapsed_ms", fmt.Sprintf("is %d, but max_attempts is 1, so it could never take effect: "+
			"raise retry.max_attempts, or remove it", ms))
	} else if deadline := mo.GetDeadlineMs(); ms > 0 && deadline > 0 && ms >= deadline && mo.GetDeadlinePerKibUs() == 0 {
		p.add(at, prefix+"retry.max_elapsed_ms", fmt.Sprintf("is %d, but the deadline of %d ms comes first, so it could never take effect: "+
			"lower it, or remove it", ms, deadline))
	}
}

// vain reports a margin that options set beside a deadline which is no longer:
// whatever is left of a call when another is made for it, the other's own deadline
// comes first then, or a tenth of what is left does.
func (p *problems) vain(at place, prefix string, mo *surefootv1.Method) {
	margin, deadline := mo.GetDeadlineMarginMs(), mo.GetDeadlineMs()
	if deadline > 0 && margin >= deadline && margin <= maxMillis {
		p.add(at, prefix+"deadline_margin_ms", fmt.Sprintf("is %d, not below the deadline of %d ms, so it could never be kept: "+
			"lower it, or raise deadline_ms", margin, deadline))
	}
}

// narrowed returns what of mo is to be checked for use once over stands before
// it: a caller who switches repeats, or the breaker, off need not mind what the
// .proto says of them.
func narrowed(mo, over *surefootv1.Method) *surefootv1.Method {
	once := over.GetRetry().GetMaxAttempts() == 1
	off := over.GetBreaker().GetOff()
	if !once && !off {
		return mo
	}
	mo = proto.CloneOf(mo)
	if once && len(over.GetRetry().GetCodes()) == 0 && mo.Retry != nil {
		mo.Retry.Codes, mo.Retry.MaxElapsedMs = nil, nil
	}
	if once && over.GetHedge() == nil {
		mo.Hedge = nil
	}
	if off {
		mo.Breaker = over.GetBreaker()
	}
	return mo
}
