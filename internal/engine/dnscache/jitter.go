package dnscache

import (
	"math/bits"
	"time"
)

// scale returns d times r/2^64, at most d.
func scale(d time.Duration, r uint64) time.Duration {
	if d <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(uint64(d)+1, r)
	return time.Duration(hi) // hi <= d
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
