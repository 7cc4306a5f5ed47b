package ejection

import "time"

// history is what sweeps remember of an endpoint.
type history struct {
	state   State
	level   uint8  // ejections in a row
	head    uint8  // the bucket that is being filled
	granted uint8  // trials since the ejection ended
	voids   uint32 // trials that said nothing

	opened  time.Duration // when the bucket at head was
	turned  time.Duration // when the state began
	ejected time.Duration // when the last ejection began
	until   time.Duration // when it ends
	before  uint64        // results of the fleet when it began

	read counters         // as of the last sweep
	ring *[buckets]bucket // nil until there is something to remember
	bad  uint32           // failed and slow in the ring: most endpoints have none
}

// counters is what Add counts, read at one moment.
type counters struct {
	answers, late      uint64
	slow, failed, void uint32
	plain              uint32
}

// A bucket is a stretch of time. It closes when it is as old as a tick and
// holds enough results, or when it is too old: with traffic the past is short,
// and without it long.
type bucket struct {
	results uint32 // good and failed
	failed  uint32
	slow    uint32  // far slower than is typical
	timed   uint32  // latencies, and failures that took long
	sum     float32 // of the logarithms of what is timed
}

const (
	// buckets of the past.
	buckets = 8
	// bucketAge is when a bucket closes at the latest.
	bucketAge = 2500 * time.Millisecond
)

// spans are the numbers of newest buckets that are looked at: a fault that is
// plain shows in the newest alone, before it fills a window, and a faint one
// needs all of them.
var spans = [...]int{1, 2, 3, 4, 5, 6, buckets}

// steady is the first of the spans that is too long for a pause, such as that
// of a garbage collector, to make it slow.
const steady = 3

func (b *bucket) add(o bucket) {
	b.results += o.results
	b.failed += o.failed
	b.slow += o.slow
	b.timed += o.timed
	b.sum += o.sum
}

// rate returns which part of the results failed.
func (b *bucket) rate() float32 {
	if b.results == 0 {
		return 0
	}
	return float32(b.failed) / float32(b.results)
}

// slowness returns which part of what was timed was slow.
func (b *bucket) slowness() float32 {
	if b.timed == 0 {
		return 0
	}
	return min(1, float32(b.slow)/float32(b.timed))
}

// mean returns the mean of the logarithms.
func (b *bucket) mean() float32 {
	if b.timed == 0 {
		return 0
	}
	return b.sum / float32(b.timed)
}

// note adds to the newest bucket.
func (h *history) note(fresh bucket) {
	if h.ring == nil {
		h.ring = new([buckets]bucket)
	}
	h.ring[h.head].add(fresh)
	h.bad += fresh.failed + fresh.slow
}

// newest returns the bucket that is being filled.
func (h *history) newest() bucket {
	if h.ring == nil {
		return bucket{}
	}
	return h.ring[h.head]
}

// sums returns the sums over each of the spans.
func (h *history) sums() (sums [len(spans)]bucket) {
	if h.ring == nil {
		return sums
	}
	var sum bucket
	n := 0
	for i, span := range spans {
		for ; n < span; n++ {
			sum.add(h.ring[(int(h.head)-n)&(buckets-1)])
		}
		sums[i] = sum
	}
	return sums
}

// forget empties the past.
func (h *history) forget(now time.Duration) {
	if h.ring != nil {
		*h.ring = [buckets]bucket{}
	}
	h.bad, h.head, h.opened = 0, 0, now
}

// collect returns what was counted since the last sweep.
func (r *Record) collect() (fresh bucket, void uint32) {
	c := counters{r.answers.Load(), r.late.Load(), r.slow.Load(), r.failed.Load(), r.void.Load(), r.plain.Load()}
	if c == r.read {
		return bucket{}, 0
	}
	good, sum := between(r.read.answers, c.answers)
	late, lateSum := between(r.read.late, c.late)
	fresh.failed = c.failed - r.read.failed
	fresh.results = good + fresh.failed + c.plain - r.read.plain
	fresh.timed, fresh.sum = good+late, sum+lateSum
	fresh.slow = c.slow - r.read.slow
	void = c.void - r.read.void
	r.read = c
	return fresh, void
}

// steady reports whether the buckets of the steady spans are in use.
func (h *history) steady() bool {
	used := 0
	if h.ring == nil {
		return false
	}
	for i := range h.ring {
		if h.ring[i].timed > 0 {
			used++
		}
	}
	return used >= spans[steady]
}

// age closes the bucket at head if it is time to, with this many results.
func (h *history) age(now time.Duration, enough uint32) {
	old := now - h.opened
	if old < tick {
		return
	}
	switch {
	case old >= buckets*bucketAge:
		h.forget(now)
	case old >= bucketAge:
		for range old / bucketAge {
			h.next()
		}
		h.opened = now
	case h.newest().results >= enough:
		h.next()
		h.opened = now
	}
}

func (h *history) next() {
	h.head = (h.head + 1) & (buckets - 1)
	if h.ring == nil {
		return
	}
	h.bad -= h.ring[h.head].failed + h.ring[h.head].slow
	h.ring[h.head] = bucket{}
}
