// Package latency knows how long calls, or attempts, of a method took lately:
// quantiles of a sliding window.
//
// Times are counted in buckets whose width is a sixteenth of what they hold
// (the log-linear buckets of HdrHistogram), in a few parts of the window, of
// which the oldest is forgotten as a whole. Finagle's BackupRequestFilter keeps
// its window in the same way.
package latency

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// parts is in how many steps the past is forgotten, each after partLength:
	// a time counts for 22.5 to 30 s.
	parts      = 4
	partLength = 7500 * time.Millisecond
	// refresh is how old a Snapshot may be when it is asked.
	refresh = time.Second
	// enough is how many times it takes at least to believe a quantile.
	enough = 100
)

// A Window counts times. The zero Window is empty and ready. It has a fixed size
// of 7 KB. Its methods may be called from any goroutine; now is the time since a
// moment that stays the same.
type Window struct {
	parts [parts]part
	mu    sync.Mutex // orders turns of parts, and snapshots
	last  atomic.Pointer[Snapshot]
}

// A part counts the times of one stretch of the window.
type part struct {
	// turn is which stretch, from 1; 0 is none yet.
	turn   atomic.Int64
	counts [buckets]atomic.Uint32
}

// Record counts one time that was seen in full. A time that does not move, or
// goes back, does no harm.
func (w *Window) Record(now, d time.Duration) {
	turn := turnAt(now)
	p := &w.parts[turn%parts]
	if p.turn.Load() < turn {
		w.begin(p, turn)
	}
	p.counts[bucketOf(d)].Add(1)
}

// RecordAtLeast counts something that was ended after d and would have taken
// longer. If d is shorter than the quantile that is asked for, it says nothing:
// one that was given up early is no fast one.
func (w *Window) RecordAtLeast(now, d time.Duration, permille int) {
	if q, known := w.At(now).Quantile(permille); !known || d >= q {
		w.Record(now, d)
	}
}

// begin forgets what p held, for a new stretch.
func (w *Window) begin(p *part, turn int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.turn.Load() >= turn {
		return
	}
	for i := range p.counts {
		p.counts[i].Store(0)
	}
	p.turn.Store(turn)
}

// At returns what was seen in the window that ends about now. It is never nil,
// and is counted anew at most once a second.
func (w *Window) At(now time.Duration) *Snapshot {
	s := w.last.Load()
	if s != nil && now-s.at < refresh {
		return s
	}
	if s != nil && !w.mu.TryLock() { // somebody counts
		return s
	}
	if s == nil {
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if s = w.last.Load(); s == nil || now-s.at >= refresh {
		s = w.count(now)
		w.last.Store(s)
	}
	return s
}

// count returns what is in the window now. mu is held.
func (w *Window) count(now time.Duration) *Snapshot {
	s := &Snapshot{at: now}
	oldest := turnAt(now) - parts
	for i := range w.parts {
		p := &w.parts[i]
		if p.turn.Load() <= oldest {
			continue
		}
		for k := range p.counts {
			s.upTo[k] += p.counts[k].Load()
		}
	}
	for k := range s.upTo[1:] {
		s.upTo[k+1] += s.upTo[k]
	}
	return s
}

func turnAt(now time.Duration) int64 { return int64(max(now, 0)/partLength) + 1 }

// A Snapshot is what a Window held. It is immutable.
type Snapshot struct {
	at   time.Duration
	upTo [buckets]uint32 // how many times are in this bucket or a lower one
}

// Count returns how many times the window held.
func (s *Snapshot) Count() int { return int(s.upTo[buckets-1]) }

// Quantile returns a time that at least permille of a thousand times did not
// exceed, 1 to 999. It is the least such time, rounded up by at most a
// sixteenth, or by 66 µs if that is more. known is false while too few were
// seen: fewer than 100, or than it takes for one to be beyond the quantile.
func (s *Snapshot) Quantile(permille int) (d time.Duration, known bool) {
	n := s.Count()
	if n < enough || n*(1000-permille) < 1000 {
		return 0, false
	}
	rank := uint32((int64(n)*int64(permille) + 999) / 1000)
	lo, hi := 0, buckets-1 // the first bucket up to which there are as many
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); s.upTo[mid] < rank {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return ceilingOf(lo), true
}

const (
	unitBits = 16 // the narrowest bucket holds 2^16 ns, 66 µs
	fineBits = 4  // a power of two has 2^4 buckets
	maxBits  = 40 // the widest bucket ends at 2^40 ns, 18 minutes
	fine     = 1 << fineBits
	buckets  = (maxBits - unitBits - fineBits + 1) << fineBits
)

// bucketOf returns the bucket of d. The first 16 hold a unit each, then each 16
// twice as much as those before.
func bucketOf(d time.Duration) int {
	v := uint64(min(max(d, 0), 1<<maxBits-1)) >> unitBits
	e := max(bits.Len64(v)-fineBits-1, 0)
	return e<<fineBits + int(v>>e)
}

// ceilingOf returns the time at which bucket i ends.
func ceilingOf(i int) time.Duration {
	e := max(i>>fineBits-1, 0)
	return time.Duration(i-e<<fineBits+1) << (e + unitBits)
}
