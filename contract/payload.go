package contract

import (
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// applyPayload sets what mo adds to the times of m for the size of a request.
// What was inherited is dropped with the time that it would be added to; what
// mo itself sets beside none is a mistake, which Validate reports.
func applyPayload(m policy.Method, mo *surefootv1.Method) policy.Method {
	if m.Deadline == 0 {
		m.DeadlinePerKiB = 0
	}
	if m.AttemptTimeout == 0 {
		m.AttemptTimeoutPerKiB = 0
	}
	setMicros(&m.DeadlinePerKiB, mo.DeadlinePerKibUs)
	setMicros(&m.AttemptTimeoutPerKiB, mo.AttemptTimeoutPerKibUs)
	return m
}

// unsuitedPayload reports what is said of a streaming method alone, and only
// unary ones have.
func (p *problems) unsuitedPayload(at place, prefix string, mo *surefootv1.Method) {
	if mo == nil {
		return
	}
	const text = "is for unary methods, whose request has a size: remove it"
	if mo.DeadlinePerKibUs != nil {
		p.add(at, prefix+"deadline_per_kib_us", text)
	}
	if mo.AttemptTimeoutPerKibUs != nil {
		p.add(at, prefix+"attempt_timeout_per_kib_us", text)
	}
}
