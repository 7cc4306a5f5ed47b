package timeouts

import (
	"sync"
	"time"
)

// A shard is a part of a list, in the order of the ends.
type shard struct {
	timeout time.Duration
	epoch   time.Time
	single  bool // has but one link, ever

	mu    sync.Mutex
	ring  Link          // its next is the first, its prev the last
	timer *time.Timer   // runs sweep
	wakes time.Duration // when it does, on the clock of the lists; 0 if it does not
}

func (l *shard) init(epoch time.Time, timeout time.Duration) {
	l.epoch, l.timeout = epoch, timeout
	l.ring.prev, l.ring.next = &l.ring, &l.ring
}

// start puts in k, which begins now.
func (l *shard) start(k *Link, now time.Duration) {
	l.mu.Lock()
	l.push(k, now, now)
	l.mu.Unlock()
}

// push puts in k, which began at began. mu is held.
func (l *shard) push(k *Link, began, now time.Duration) {
	k.due = began + l.timeout
	at := l.ring.prev
	for at != &l.ring && at.due > k.due { // it was begun again while k was young
		at = at.prev
	}
	k.insert(at)
	if l.wakes == 0 || k.due < l.wakes {
		l.arm(k.due, now)
	}
}

func (l *shard) stop(k *Link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.single {
		l.timer.Stop()
	}
	return k.leave() // the timer of others is left alone: it will find nothing to do
}

// arm sets the timer. mu is held.
func (l *shard) arm(wakes, now time.Duration) {
	l.wakes = wakes
	d := max(wakes-now, 1)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.sweep)
	} else {
		l.timer.Reset(d)
	}
}

// sweep ends what is due and sleeps until the next is.
func (l *shard) sweep() {
	var due []*Link
	l.mu.Lock()
	now := time.Since(l.epoch)
	for k := l.ring.next; k != &l.ring && k.due <= now; k = l.ring.next {
		k.unlink()
		due = append(due, k)
	}
	l.wakes = 0
	if next := l.ring.next; next != &l.ring {
		l.arm(next.due, now)
	}
	l.mu.Unlock()
	for _, k := range due {
		if k.of.Expire() {
			continue
		}
		l.mu.Lock()
		if !k.over {
			l.push(k, now, now)
		}
		l.mu.Unlock()
	}
}
