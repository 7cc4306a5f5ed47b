package contract

import (
	"fmt"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// applyHedge sets what mo says of hedges. Those that are inherited are off if
// mo leaves no time for them.
func applyHedge(m policy.Method, mo *surefootv1.Method) policy.Method {
	h := mo.GetHedge()
	if h == nil {
		m.Hedge = m.Hedge.Within(m.Deadline, m.AttemptTimeout)
		return m
	}
	setMillis(&m.Hedge.Delay, h.DelayMs)
	assignInt(&m.Hedge.ExtraLoadPercent, h.ExtraLoadPercent)
	assignInt(&m.Hedge.MaxHedges, h.MaxHedges)
	return m
}

// futileHedge reports hedges of a unary method that could never start. unsafe says
// that it is not idempotent.
func (p *problems) futileHedge(at place, prefix string, mo *surefootv1.Method, unsafe bool) {
	h := mo.GetHedge()
	if h == nil || h.MaxHedges != nil && h.GetMaxHedges() == 0 {
		return
	}
	if unsafe {
		p.add(at, prefix+"hedge", "is set, but the method is not idempotent, so it could be applied twice: "+
			"set option idempotency_level = IDEMPOTENT (or NO_SIDE_EFFECTS) if that is true of it, or remove it; "+
			"calls with an idempotency_key are repeated, and not hedged")
	}
	if mo.GetRetry().GetMaxAttempts() == 1 {
		p.add(at, prefix+"hedge", "is set, but max_attempts is 1 and a hedge is an attempt, so it could never take effect: "+
			"raise retry.max_attempts, or remove it")
	}
}

// unaryOnly reports what only unary methods have and m, of another kind, has of
// its own; or of a unary one, hedges for which nobody says when they start.
func (p *problems) unaryOnly(at place, prefix string, mo *surefootv1.Method, m policy.Method) {
	if h := m.Hedge; !m.Streaming {
		if mo.GetHedge() != nil && h.MaxHedges > 0 && h.Delay == 0 && h.ExtraLoadPercent == 0 {
			p.add(at, prefix+"hedge", fmt.Sprintf("allows %d hedges and does not say when they start: set delay_ms, or extra_load_percent", h.MaxHedges))
		}
		return
	}
	const remove = "is for unary methods: remove it"
	if mo.GetHedge() != nil {
		p.add(at, prefix+"hedge", remove)
	}
	if mo.GetDeadlineObserved() != nil {
		p.add(at, prefix+"deadline_observed", remove)
	}
	if mo.GetAttemptTimeoutObserved() != nil {
		p.add(at, prefix+"attempt_timeout_observed", remove)
	}
}

// applyObserved returns o with what oo sets. fixed says that the same options
// set the fixed time: if they set no other, they mean it.
func applyObserved(o policy.Observed, oo *surefootv1.Observed, fixed bool) policy.Observed {
	if oo == nil {
		if fixed {
			o.QuantilePermille = 0
		}
		return o
	}
	assignInt(&o.QuantilePermille, oo.QuantilePermille)
	assignInt(&o.FactorPercent, oo.FactorPercent)
	setMillis(&o.Floor, oo.FloorMs)
	setMillis(&o.Ceiling, oo.CeilingMs)
	if oo.FloorMs == nil && o.Ceiling > 0 { // one that is set moves the other one
		o.Floor = min(o.Floor, o.Ceiling)
	}
	if oo.CeilingMs == nil && o.Ceiling > 0 {
		o.Ceiling = max(o.Ceiling, o.Floor)
	}
	return o
}
