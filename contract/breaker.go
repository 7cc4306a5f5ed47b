package contract

import (
	"fmt"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// applyBreaker returns b with what bo sets.
func applyBreaker(b policy.Breaker, bo *surefootv1.Breaker) policy.Breaker {
	if bo == nil {
		return b
	}
	assign(&b.Off, bo.Off)
	assign(&b.DryRun, bo.DryRun)
	setMillis(&b.Window, bo.WindowMs)
	assignInt(&b.MinCalls, bo.MinCalls)
	assignInt(&b.FailurePercent, bo.FailurePercent)
	assignInt(&b.ConsecutiveFailures, bo.ConsecutiveFailures)
	setMillis(&b.Open, bo.OpenMs)
	setMillis(&b.MaxOpen, bo.MaxOpenMs)
	if bo.MaxOpenMs == nil && b.MaxOpen > 0 {
		// The first time that is set moves the longest one, if that is inherited.
		b.MaxOpen = max(b.MaxOpen, b.Open)
	}
	assignInt(&b.Trials, bo.Trials)
	assignInt(&b.Successes, bo.Successes)
	if t := bo.GetThrottle(); t != nil {
		assignInt(&b.Throttle.AcceptPercent, t.AcceptPercent)
		assignInt(&b.Throttle.MaxPercent, t.MaxPercent)
	}
	assignInt(&b.MaxInFlight, bo.MaxInFlight)
	assign(&b.PerGroup, bo.PerGroup)
	return b
}

// futileBreaker reports what the options of a method set of its breaker, which
// is b with all that is inherited, beside what keeps it from taking effect.
func (p *problems) futileBreaker(at place, prefix string, bo *surefootv1.Breaker, b policy.Breaker) {
	if bo == nil {
		return
	}
	said := func(field string) bool { return has(bo.ProtoReflect(), field) }
	futile := func(why, how string, fields ...string) {
		for _, f := range fields {
			if said(f) {
				p.add(at, prefix+"breaker."+f, fmt.Sprintf("is %s, but %s, so it could never take effect: %s, or remove it",
					saying(bo.ProtoReflect(), f), why, how))
			}
		}
	}
	if bo.GetOff() {
		futile("breaker.off is true", "remove breaker.off", "dry_run", "window_ms", "min_calls", "failure_percent", "consecutive_failures",
			"open_ms", "max_open_ms", "trials", "successes", "throttle.accept_percent", "throttle.max_percent", "max_in_flight", "per_group")
		return
	}
	opens := b.FailurePercent != 0 || b.ConsecutiveFailures != 0
	if !opens && (said("failure_percent") || said("consecutive_failures")) {
		futile("nothing opens the breaker", "set failure_percent or consecutive_failures", "open_ms", "max_open_ms", "trials", "successes", "per_group")
	}
	if b.Throttle.AcceptPercent == 0 && said("throttle.accept_percent") {
		futile("throttle.accept_percent is 0", "set throttle.accept_percent", "throttle.max_percent")
	}
}
