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
// a list gets into the part of the same number, which nothing else gets into: so the
// order stays.
type youngShard struct {
	all *young

	mu   sync.Mutex
	ring Link
}

func (y *young) init(epoch time.Time) {
	y.epoch = epoch
	for i := range y.shards {
		s := &y.shards[i]
		s.all, s.ring.prev, s.ring.next = y, &s.ring, &s.ring
	}
}

// start puts k in.
func (s *youngShard) start(k *Link, now time.Duration) {
	s.mu.Lock()
	s.push(k, now)
	s.mu.Unlock()
	if !s.all.ticks.Load() {
		s.all.wake()
	}
}

// again puts in k, which has lingered, unless it was stopped meanwhile.
func (s *youngShard) again(k *Link, now time.Duration) {
	s.mu.Lock()
	k.list.mu.Lock()
	if !k.over {
		k.lingers = false
		s.push(k, now)
	}
	k.list.mu.Unlock()
	s.mu.Unlock()
	s.all.wake()
}

// push puts k in. mu is held.
func (s *youngShard) push(k *Link, now time.Duration) {
	k.due = now + Moment
	k.insert(s.ring.prev)
}

// stop ends the time of k, if it is here.
func (s *youngShard) stop(k *Link) (here, stopped bool) {
	s.mu.Lock()
	if here = !k.lingers; here {
		stopped = k.leave()
	}
	s.mu.Unlock()
	return here, stopped
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
		if !k.over {
			l := k.list
			l.mu.Lock()
			k.lingers = true
			l.push(k, k.due-Moment)
			l.mu.Unlock()
		}
		s.mu.Unlock()
	}
	return left
}
