package channel

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// timeouts holds what may take too long: attempts, for one. Those with one
// timeout expire in the order in which they began, so a list for each length
// serves them all with one timer between them: an attempt costs two links and
// no allocation, where a timer of its own costs a place in the heap of timers.
//
// There are several lists for each length, chosen at random, because one would
// be the lock that all calls of a channel meet at.
type timeouts struct {
	mu    sync.Mutex // orders replacements of byLen
	byLen atomic.Pointer[map[time.Duration]*[shards]timeoutList]
}

// timed is what may take too long.
type timed interface {
	// expire says that the time is up. It returns false if what it is must go on,
	// for as long again. No list is locked.
	expire() bool
}

const shards = 8

// list returns a list for this timeout, one of several by the
// random number r. Lengths that a contract names are few and shared; one that a
// single call asked for has a list of its own.
func (t *timeouts) list(d time.Duration, shared bool, r uint64) *timeoutList {
	if !shared {
		return &timeoutList{timeout: d, epoch: time.Now(), single: true}
	}
	if m := t.byLen.Load(); m != nil {
		if l := (*m)[d]; l != nil {
			return &l[r%shards]
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	next := make(map[time.Duration]*[shards]timeoutList)
	if m := t.byLen.Load(); m != nil {
		maps.Copy(next, *m)
	}
	l := next[d]
	if l == nil {
		l = new([shards]timeoutList)
		for i := range l {
			l[i].timeout, l[i].epoch = d, time.Now()
		}
		next[d] = l
		t.byLen.Store(&next)
	}
	return &l[r%shards]
}

// A timeoutList is what has one timeout, in the order of the ends.
type timeoutList struct {
	timeout time.Duration
	epoch   time.Time // when the list's clock read zero
	single  bool      // has but one link, ever

	mu          sync.Mutex
	first, last *link
	timer       *time.Timer // runs sweep, when armed
	armed       bool
}

// link is a place in a list. The list's mu guards it. The zero link is in none.
type link struct {
	of         timed
	list       *timeoutList
	prev, next *link
	due        time.Duration // on the list's clock
	in         bool          // the list
	over       bool          // it must not come back
}

// add starts the time of t, at now. k is its link, and in no list before.
func (l *timeoutList) add(k *link, t timed, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.list, k.of = l, t
	l.push(k, now)
}

// stop ends the time, if it was started.
func (k *link) stop() {
	l := k.list
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k.over = true
	l.unlink(k)
	if l.single && l.timer != nil {
		l.timer.Stop()
	}
}

// push appends k. mu is held.
func (l *timeoutList) push(k *link, now time.Time) {
	k.due, k.in = now.Sub(l.epoch)+l.timeout, true
	k.prev, k.next = l.last, nil
	if l.last != nil {
		l.last.next = k
	} else {
		l.first = k
	}
	l.last = k
	if !l.armed {
		l.arm(l.timeout)
	}
}

// unlink takes k out, if it is in. The timer is left alone: it will find
// nothing to do. mu is held.
func (l *timeoutList) unlink(k *link) {
	if !k.in {
		return
	}
	prev, next := k.prev, k.next
	if prev != nil {
		prev.next = next
	} else {
		l.first = next
	}
	if next != nil {
		next.prev = prev
	} else {
		l.last = prev
	}
	k.prev, k.next, k.in = nil, nil, false
}

// arm starts the timer. mu is held.
func (l *timeoutList) arm(d time.Duration) {
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.sweep)
	} else {
		l.timer.Reset(d)
	}
}

// sweep ends what is due and sleeps until the next is.
func (l *timeoutList) sweep() {
	var due []*link
	l.mu.Lock()
	now := time.Now()
	for k := l.first; k != nil && k.due <= now.Sub(l.epoch); k = l.first {
		l.unlink(k)
		due = append(due, k)
	}
	if l.armed = l.first != nil; l.armed {
		l.arm(l.first.due - now.Sub(l.epoch))
	}
	l.mu.Unlock()
	for _, k := range due {
		if k.of.expire() {
			continue
		}
		l.mu.Lock()
		if !k.over {
			l.push(k, now)
		}
		l.mu.Unlock()
	}
}
