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
	l.push(k, now)
	l.mu.Unlock()
}

// push puts in k, which began at began. mu is held.
func (l *shard) push(k *Link, began time.Duration) {
	k.due = began + l.timeout
	k.insert(l.ring.prev)
	if l.wakes == 0 {
		l.arm(k.due)
	}
}

// stop ends the time of k, if it is here. The timer of others is left alone: it will
// find nothing to do.
func (l *shard) stop(k *Link) (here, stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.young != nil && !k.lingers { // it has just begun again
		return false, false
	}
	if l.single {
		l.timer.Stop()
	}
	return true, k.leave()
}

// arm sets the timer. mu is held.
func (l *shard) arm(wakes time.Duration) {
	l.wakes = wakes
	d := max(wakes-time.Since(l.epoch), 1)
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
		l.arm(next.due)
	}
	l.mu.Unlock()
	for _, k := range due {
		if !k.of.Expire() {
			l.again(k, now)
		}
	}
}

// again begins the time of k again, where it began.
func (l *shard) again(k *Link, now time.Duration) {
	if k.young != nil {
		k.young.again(k, now)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !k.over {
		l.push(k, now)
	}
}
