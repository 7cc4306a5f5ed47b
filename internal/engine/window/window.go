// Package window counts events over a sliding window of time.
package window

import "time"

// A window slides by tenths of its length, so a Counts knows two sums: of the last
// nine tenths and what has passed of the tenth, which is never longer than the
// window, and of one tenth more, which is never shorter.
const (
	tenths  = 10
	buckets = tenths + 1
)

// A Counts counts events of N kinds over the last while. The zero Counts has
// no length: use [New]. It is not safe for concurrent use. Times are on one clock,
// whichever.
type Counts[K ~int] struct {
	// What each event writes is on one cache line.
	end time.Duration // of the bucket that is filled
	now [kinds]uint32 // that bucket; it comes into the ring when it is full
	sum [kinds]uint32 // of all buckets but the oldest

	width time.Duration
	head  int // where now belongs
	ring  [buckets][kinds]uint32
}

// kinds bounds the kinds of events that a Counts can tell apart.
const kinds = 5

// New returns an empty Counts over a window of this length.
func New[K ~int](length, now time.Duration) Counts[K] {
	width := max(length/tenths, 1)
	return Counts[K]{width: width, end: now + width}
}

// Add counts n events of kind k at the time now. Time that goes backwards
// counts as standing still.
func (c *Counts[K]) Add(now time.Duration, k K, n uint32) {
	c.slide(now)
	c.now[k] += n
	c.sum[k] += n
}

// Sum returns the events of kind k in the window that ends now, and none that are
// older: it may miss those of the window's first tenth.
func (c *Counts[K]) Sum(now time.Duration, k K) int {
	c.slide(now)
	return int(c.sum[k])
}

// Cover returns all events of kind k in the window that ends now: there may be some
// among them that are older by up to a tenth of the window.
func (c *Counts[K]) Cover(now time.Duration, k K) int {
	c.slide(now)
	return int(c.sum[k] + c.ring[c.oldest()][k])
}

// Length returns the length of the window.
func (c *Counts[K]) Length() time.Duration { return c.width * tenths }

// oldest is the bucket that is filled next.
func (c *Counts[K]) oldest() int { return (c.head + 1) % buckets }

func (c *Counts[K]) slide(now time.Duration) {
	if now >= c.end {
		c.slideTo(now)
	}
}

func (c *Counts[K]) slideTo(now time.Duration) {
	steps := 1 + int64((now-c.end)/c.width)
	c.end += time.Duration(steps) * c.width
	for range min(steps, buckets) {
		c.ring[c.head] = c.now
		c.head, c.now = c.oldest(), [kinds]uint32{}
		for k, n := range c.ring[c.oldest()] {
			c.sum[k] -= n
		}
	}
}
