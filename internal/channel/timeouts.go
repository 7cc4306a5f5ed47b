package channel

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// timeouts holds the attempts that may take too long. Attempts with one
// timeout expire in the order in which they began, so a list for each length
// serves them all with one timer between them: an attempt costs two links and
// no allocation, where a timer of its own costs a place in the heap of timers.
//
// There are several lists for each length, chosen at random, because one would
// be the lock that all calls of a channel meet at.
type timeouts struct {
	mu      sync.Mutex // orders replacements of byLen
	byLen   atomic.Pointer[map[time.Duration]*[shards]timeoutList]
	expired func(*attemptState) bool
}

const shards = 8

// list returns a list for attempts of this timeout, one of several by the
// random number r. Lengths that a contract names are few and shared; one that a
// single call asked for has a list of its own.
func (t *timeouts) list(d time.Duration, shared bool, r uint64) *timeoutList {
	if !shared {
		return &timeoutList{timeout: d, epoch: time.Now(), expired: t.expired, single: true}
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
			l[i].timeout, l[i].epoch, l[i].expired = d, time.Now(), t.expired
		}
		next[d] = l
		t.byLen.Store(&next)
	}
	return &l[r%shards]
}

// A timeoutList is the attempts of one timeout, in the order of their ends.
type timeoutList struct {
	timeout time.Duration
	epoch   time.Time // when the list's clock read zero
	// expired ends an attempt whose time is up. It returns false if the attempt
	// must go on, for as long again. It is called without mu.
	expired func(*attemptState) bool
	single  bool // has but one attempt, ever

	mu          sync.Mutex
	first, last *attemptState
	timer       *time.Timer // runs sweep, when armed
	armed       bool
}

// link is an attempt's place in a list. The list's mu guards it.
type link struct {
	list       *timeoutList
	prev, next *attemptState
	due        time.Duration // on the list's clock
	in         bool          // the list
	over       bool          // the attempt has ended: it must not come back
}

// add starts the time of a, at now.
func (l *timeoutList) add(a *attemptState, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.link.list = l
	l.push(a, now)
}

// remove ends the time of a.
func (l *timeoutList) remove(a *attemptState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.link.over = true
	l.unlink(a)
	if l.single && l.timer != nil {
		l.timer.Stop()
	}
}

// push appends a. mu is held.
func (l *timeoutList) push(a *attemptState, now time.Time) {
	a.link.due, a.link.in = now.Sub(l.epoch)+l.timeout, true
	a.link.prev, a.link.next = l.last, nil
	if l.last != nil {
		l.last.link.next = a
	} else {
		l.first = a
	}
	l.last = a
	if !l.armed {
		l.arm(l.timeout)
	}
}

// unlink takes a out, if it is in. The timer is left alone: it will find
// nothing to do. mu is held.
func (l *timeoutList) unlink(a *attemptState) {
	if !a.link.in {
		return
	}
	prev, next := a.link.prev, a.link.next
	if prev != nil {
		prev.link.next = next
	} else {
		l.first = next
	}
	if next != nil {
		next.link.prev = prev
	} else {
		l.last = prev
	}
	a.link.prev, a.link.next, a.link.in = nil, nil, false
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
	var due []*attemptState
	l.mu.Lock()
	now := time.Now()
	for a := l.first; a != nil && a.link.due <= now.Sub(l.epoch); a = l.first {
		l.unlink(a)
		due = append(due, a)
	}
	if l.armed = l.first != nil; l.armed {
		l.arm(l.first.link.due - now.Sub(l.epoch))
	}
	l.mu.Unlock()
	for _, a := range due {
		if l.expired(a) {
			continue
		}
		l.mu.Lock()
		if !a.link.over {
			l.push(a, now)
		}
		l.mu.Unlock()
	}
}
