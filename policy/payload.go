package policy

import (
	"math"
	"time"
)

// kib is the unit in which the size of a request counts.
const kib = 1 << 10

// Sized returns the time for a request of size bytes: base, and perKiB for each
// whole KiB of it, but at most limit, if that is not zero. A base of zero is no
// bound and stays one; what overflows is the longest time there is.
func Sized(base, perKiB, limit time.Duration, size int) time.Duration {
	if base <= 0 {
		return 0
	}
	if n := int64(size) / kib; perKiB > 0 && n > 0 {
		if int64(perKiB) > (math.MaxInt64-int64(base))/n {
			base = math.MaxInt64
		} else {
			base += perKiB * time.Duration(n)
		}
	}
	if limit > 0 {
		return min(base, limit)
	}
	return base
}

// Varies reports whether the times of calls of the method differ from call to
// call.
func (m *Method) Varies() bool {
	return m.DependsOnSize() || m.DeadlineObserved.On() || m.AttemptTimeoutObserved.On()
}

// DependsOnSize reports whether the size of a call's request matters.
func (m *Method) DependsOnSize() bool { return m.DeadlinePerKiB > 0 || m.AttemptTimeoutPerKiB > 0 }

func (m Method) validatePayload(bad func(field, format string, args ...any)) {
	for _, f := range []struct {
		field        string
		perKiB, base time.Duration
		ofBase       string
	}{
		{"deadline_per_kib_us", m.DeadlinePerKiB, m.Deadline, "deadline_ms"},
		{"attempt_timeout_per_kib_us", m.AttemptTimeoutPerKiB, m.AttemptTimeout, "attempt_timeout_ms"},
	} {
		switch {
		case f.perKiB < 0:
			bad(f.field, "is %d; a time cannot be negative: set what a KiB of the request takes, 0 for nothing", f.perKiB.Microseconds())
		case f.perKiB > 0 && f.base == 0:
			bad(f.field, "is %d, but there is no %s that it could be added to: set that, or remove it", f.perKiB.Microseconds(), f.ofBase)
		}
	}
}
