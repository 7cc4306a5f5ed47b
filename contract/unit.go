package contract

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxMillis bounds times: a year is a mistake in the unit, not a time-out.
const maxMillis = int64(365*24*time.Hour) / int64(time.Millisecond)

// maxMicros bounds what a KiB may take: a second is a mistake in the unit.
const maxMicros = int64(time.Second / time.Microsecond)

// leastMillis are the least values, but for 0, of times for which less can only
// be a mistake in the unit, and one that would pass in silence: connections that
// are made anew all the time, repeats that never start. A deadline of 5 ms may be
// meant, and fails loudly if not.
//
// Below 250 ms one lost packet ends a connection: Linux sends a segment again
// after 200 ms (TCP_RTO_MIN).
var leastMillis = map[protoreflect.FullName]int64{
	"surefoot.v1.Connection.connect_timeout_ms":   50,
	"surefoot.v1.Connection.keepalive_timeout_ms": 250,
	"surefoot.v1.Connection.tcp_user_timeout_ms":  250,
	"surefoot.v1.Connection.max_age_ms":           10_000,
	"surefoot.v1.Connection.drain_ms":             100,
	"surefoot.v1.Discovery.min_ttl_ms":            100,
	"surefoot.v1.Discovery.max_ttl_ms":            1_000,
	"surefoot.v1.Discovery.max_stale_ms":          1_000,
	"surefoot.v1.Balance.slow_start_ms":           100,
	"surefoot.v1.Ejection.base_ms":                100,
	"surefoot.v1.Ejection.max_ms":                 100,
	"surefoot.v1.Breaker.open_ms":                 100,
	"surefoot.v1.Breaker.max_open_ms":             100,
	"surefoot.v1.Stream.max_age_ms":               1_000,
	"surefoot.v1.Stream.send_timeout_ms":          100,
	"surefoot.v1.Method.wait_for_ready_ms":        50,
	"surefoot.v1.Retry.max_elapsed_ms":            10,
}

// mistaken returns what is wrong with the number n in the field fd if it can only
// be in another unit, "" if it may be meant.
func mistaken(fd protoreflect.FieldDescriptor, n int64) string {
	switch least := leastMillis[fd.FullName()]; {
	case strings.HasSuffix(string(fd.Name()), "_ms") && n > maxMillis:
		return fmt.Sprintf("is %d, more than a year: give it in milliseconds", n)
	case strings.HasSuffix(string(fd.Name()), "_us") && n > maxMicros:
		return fmt.Sprintf("is %d, more than a second for each KiB: give it in microseconds", n)
	case n > 0 && n < least:
		return fmt.Sprintf("is %d, below the least of %d: give it in milliseconds", n, least)
	default:
		return ""
	}
}

// setMillis sets d if ms is present. More than maxMillis was reported when the
// options were read; less than its negative is cut, so that it cannot overflow
// into a time that is right.
func setMillis(d *time.Duration, ms *int64) {
	if ms != nil && *ms <= maxMillis {
		*d = time.Duration(max(*ms, -maxMillis)) * time.Millisecond
	}
}

// setMicros is to microseconds what setMillis is to milliseconds.
func setMicros(d *time.Duration, us *int64) {
	if us != nil && *us <= maxMicros {
		*d = time.Duration(max(*us, -maxMicros)) * time.Microsecond
	}
}
