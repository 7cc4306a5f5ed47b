package dnscache

import (
	"math/bits"
	"time"
)

// Backoff returns the wait after the n-th failure in a row, the first being 0:
// uniform in [0, min(limit, base * 2^n)], which is "full jitter" (Brooker,
// "Exponential Backoff And Jitter", AWS 2015). r is uniform in all 64 bits.
func Backoff(n int, base, limit time.Duration, r uint64) time.Duration {
	if base <= 0 || n < 0 {
		return 0
	}
	ceiling := limit
	if n < bits.LeadingZeros64(uint64(base))-1 {
		ceiling = min(limit, base<<n)
	}
	return scale(ceiling, r)
}

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
