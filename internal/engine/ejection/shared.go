package ejection

import (
	"math"
	"time"
)

// shared is what the fleet tells Add. It is replaced, never changed.
type shared struct {
	limit   uint32        // failures in a row that need a sweep
	typical time.Duration // the least that a failure's time counts as
	slow    time.Duration // what takes longer is far slower than is typical
}

// tell says to Add what counts as slow, if that has changed by a tenth.
func (f *Fleet) tell() {
	limit, typical, slow := uint32(f.policy.ConsecutiveFailures), never, never
	if f.typical > 0 && f.policy.LatencyPercent > 0 {
		typical = latencyOf(f.typical)
		slow = max(typical*time.Duration(f.policy.LatencyPercent)/100, typical+f.policy.LatencyFloor)
	}
	if s := f.shared; s.limit != limit || slow/11*10 > s.slow || slow < s.slow/10*9 {
		f.shared = &shared{limit: limit, typical: typical, slow: slow}
	}
}

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)
