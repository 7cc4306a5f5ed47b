package protocol

import (
	"time"

	"golang.org/x/sys/unix"
)

// Instant is a point in time on the machine's monotonic clock, in nanoseconds.
// All processes of one machine share it and no clock adjustment moves it, so
// the moment of a fault and the moment a call was issued in another process
// compare.
type Instant int64

// Now reads the clock.
func Now() Instant {
	var ts unix.Timespec
	// CLOCK_MONOTONIC cannot fail with a valid pointer (clock_gettime(2)).
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return Instant(ts.Nano())
}

// Add returns the instant d later.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Sub returns how long after u the instant t is.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// Until returns how long it is from now to t; negative when t has passed.
func Until(t Instant) time.Duration { return t.Sub(Now()) }
