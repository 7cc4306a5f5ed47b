package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// The numbers of the latency estimate.
const (
	// decay is the time constant of the average, as of Finagle and linkerd.
	decay = 10 * time.Second
	// forgotten is how long an estimate lasts without a new measurement.
	// Then the endpoint is unknown again, which is how one that was slow is
	// tried again.
	forgotten = 10 * time.Second
	// penalty is the latency that a failure counts as, unless it took longer,
	// as of linkerd's load biaser.
	penalty = 5 * time.Second
)

// An estimate is the peak-EWMA latency of one endpoint: it rises to a slow
// answer at once and sinks to fast ones as a moving average (Finagle,
// com.twitter.finagle.loadbalancer.PeakEwma). A failure is averaged in as a
// slow answer without being a peak, so that an endpoint which fails one call
// in a hundred weighs its failures and is not shunned for the last one
// (linkerd2-proxy, load-biaser).
//
// One word holds it: the average in milliseconds as a float32 above, the time
// of the last measurement in ticks below. The zero estimate knows nothing.
type estimate struct{ word atomic.Uint64 }

// A tick is 2^20 ns, about a millisecond; uint32 ticks turn over in 52 days.
const tick = 20

func ticks(now int64) uint32 { return uint32(now >> tick) }

// since returns the time from the tick then to now, 0 if it is negative.
func since(now int64, then uint32) time.Duration {
	passed := int32(ticks(now) - then)
	return time.Duration(max(passed, 0)) << tick
}

// record takes one measurement into the estimate.
func (e *estimate) record(now int64, latency time.Duration, failed bool) {
	for {
		old := e.word.Load()
		if e.word.CompareAndSwap(old, next(old, now, latency, failed)) {
			return
		}
	}
}

// next returns the word that follows old.
func next(old uint64, now int64, latency time.Duration, failed bool) uint64 {
	took := float64(max(latency, 1)) / float64(time.Millisecond)
	slow := max(took, float64(penalty)/float64(time.Millisecond))
	age := since(now, uint32(old))
	mean := took
	switch {
	case old == 0 || age >= forgotten:
		if failed {
			mean = slow
		}
	default:
		was := float64(math.Float32frombits(uint32(old >> 32)))
		keep := math.Exp(-float64(age) / float64(decay))
		if took < was {
			mean = was*keep + took*(1-keep)
		}
		if failed {
			mean = max(mean, was*keep+slow*(1-keep))
		}
	}
	return uint64(math.Float32bits(float32(mean)))<<32 | uint64(ticks(now))
}

// at returns the average in milliseconds, 0 if nothing is known.
func (e *estimate) at(now int64) float32 {
	w := e.word.Load()
	if w == 0 || since(now, uint32(w)) >= forgotten {
		return 0
	}
	return math.Float32frombits(uint32(w >> 32))
}
