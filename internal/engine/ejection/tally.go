package ejection

import (
	"math/bits"
	"time"
)

// A tally counts latencies and adds up their logarithms in one word, so that a
// latency is one atomic addition. The mean of logarithms is that of the
// geometric mean: unlike the mean it is not moved by a few slow requests, which
// every service has, and unlike a median it needs no list.
//
// The lowest 24 bits are the count, the rest is the sum of the logarithms to
// the base 2 in 1/256. The word may wrap: only differences are read, and the
// difference of two tallies is right as long as fewer than 2^24 latencies lie
// between them.
const countBits = 24

// fractionBits is how finely a logarithm is kept.
const fractionBits = 8

// tallyOf returns the tally of one latency.
func tallyOf(latency time.Duration) uint64 {
	return logarithm(latency)<<countBits | 1
}

// logarithm returns log2 of d in nanoseconds, in 1/256, interpolated linearly
// between powers of two, which is off by 0.09 at most (Mitchell, "Computer
// multiplication and division using binary logarithms", 1962) and alike for all
// endpoints.
func logarithm(d time.Duration) uint64 {
	if d <= 1 {
		return 0
	}
	whole := bits.Len64(uint64(d)) - 1
	fraction := uint64(d) << (64 - whole) >> (64 - fractionBits)
	return uint64(whole)<<fractionBits | fraction
}

// between returns how many latencies lie between two tallies, and the sum of
// their logarithms to the base 2.
func between(before, after uint64) (n uint32, sum float32) {
	d := after - before
	return uint32(d & (1<<countBits - 1)), float32(d>>countBits) / (1 << fractionBits)
}
