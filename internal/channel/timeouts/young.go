package timeouts

import (
	"sync"
	"sync/atomic"
	"time"
)

// Moment is how long something must have taken before it is told that it lingers.
// It is longer than most calls take, and shorter than what people notice.
const Moment = 5 * time.Millisecond

// What is young has begun no more than two moments ago. It is looked at once in a
// moment, as long as there is any.
type young struct {
	epoch  time.Time
	shards [shards]youngShard
	ticks  atomic.Bool // tick will run

	mu    sync.Mutex
	timer *time.Timer // runs tick; guarded by mu
}

// A youngShard is a part of it, in the order in which they began. What leaves it for
// a list gets into the part of the same number: so the order stays.
type youngShard struct {
	mu   sync.Mutex
	ring Link
}

func (y *young) init(epoch time.Time) {
	y.epoch = epoch
	for i := range y.shards {
		ring := &y.shards[i].ring
		ring.prev, ring.next = ring, ring
	}
}

// start puts k into s, which is one of y's.
func (y *young) start(k *Link, s *youngShard, now time.Duration) {
	k.young = s
	s.mu.Lock()
	k.due = now + Moment
	k.insert(s.ring.prev)
	s.mu.Unlock()
	if !y.ticks.Load() {
		y.wake()
	}
}

// wake sees to it that tick runs.
func (y *young) wake() {
	if !y.ticks.CompareAndSwap(false, true) {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.timer == nil {
		y.timer = time.AfterFunc(Moment, y.tick)
	} else {
		y.timer.Reset(Moment)
	}
}

// tick moves what lingers into its list.
func (y *young) tick() {
	// First, so that what begins while it is looked for sees to the next tick.
	y.ticks.Store(false)
	now := time.Since(y.epoch)
	left := false
	for i := range y.shards {
		left = y.shards[i].move(now) || left
	}
	if left {
		y.wake()
	}
}

// move moves what lingers. It reports whether anything is left.
func (s *youngShard) move(now time.Duration) (left bool) {
	var due []*Link
	s.mu.Lock()
	for k := s.ring.next; k != &s.ring && k.due <= now; k = s.ring.next {
		k.unlink()
		due = append(due, k)
	}
	left = s.ring.next != &s.ring
	s.mu.Unlock()
	for _, k := range due {
		k.of.Linger()
		s.mu.Lock()
		if k.lingers = !k.over; k.lingers {
			l := k.list
			l.mu.Lock()
			l.push(k, k.due-Moment, now)
			l.mu.Unlock()
		}
		s.mu.Unlock()
	}
	return left
}
