// Package timeouts tells what takes too long that its time is up, for what is
// made by the thousand and mostly ends in time, such as the attempts of calls.
//
// What has the same timeout expires in the order in which it began. So a list for
// each length serves all with one timer between them: an attempt costs two links
// and no allocation, where a timer of its own costs a place in the heap of timers.
package timeouts

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Lists holds what may take too long. The zero Lists is empty and ready. It may be
// used from any goroutine, and must not be copied.
//
// There are several lists for each length, chosen at random, because one would
// be the lock that all calls of a channel meet at. The lengths are kept for ever:
// they must be few.
type Lists struct {
	mu    sync.Mutex // orders replacements of byLen
	byLen atomic.Pointer[map[time.Duration]*[shards]list]
}

// Timed is what may take too long.
type Timed interface {
	// Expire says that the time is up. It returns false if what it is must go on,
	// for as long again. It may run once more while Stop is called, and it runs on
	// the goroutine that others wait for: it must not block. No list is locked.
	Expire() (over bool)
}

const shards = 8

// Start starts the time d of t, at now, with the link k, which was never used.
// r is a random number.
func (s *Lists) Start(k *Link, t Timed, now time.Time, d time.Duration, r uint64) {
	s.of(d)[r%shards].add(k, t, now)
}

// StartAlone is Start with a timer of its own, for a length that no other may
// have.
func StartAlone(k *Link, t Timed, now time.Time, d time.Duration) {
	l := &list{timeout: d, epoch: now, single: true}
	l.add(k, t, now)
}

// of returns the lists of one length.
func (s *Lists) of(d time.Duration) *[shards]list {
	if m := s.byLen.Load(); m != nil {
		if l := (*m)[d]; l != nil {
			return l
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[time.Duration]*[shards]list)
	if m := s.byLen.Load(); m != nil {
		maps.Copy(next, *m)
	}
	l := next[d]
	if l == nil {
		l = new([shards]list)
		for i := range l {
			l[i].timeout, l[i].epoch = d, time.Now()
		}
		next[d] = l
		s.byLen.Store(&next)
	}
	return l
}

// A Link is the place of something in a list. The zero Link is in none; it must
// not be copied.
type Link struct {
	list *list // set once

	// The list's mu guards what follows.
	of         Timed
	prev, next *Link
	due        time.Duration // on the list's clock
	in         bool          // the list
	over       bool          // it must not come back
}

// Started reports whether the time was started.
func (k *Link) Started() bool { return k.list != nil }

// Stop ends the time, if it was started.
func (k *Link) Stop() {
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

// A list is what has one timeout, in the order of the ends.
type list struct {
	timeout time.Duration
	epoch   time.Time // when its clock read zero
	single  bool      // has but one link, ever

	mu          sync.Mutex
	first, last *Link
	timer       *time.Timer // runs sweep, when armed
	armed       bool
}

func (l *list) add(k *Link, t Timed, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.list, k.of = l, t
	l.push(k, now)
}

// push appends k. mu is held.
func (l *list) push(k *Link, now time.Time) {
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
func (l *list) unlink(k *Link) {
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
func (l *list) arm(d time.Duration) {
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.sweep)
	} else {
		l.timer.Reset(d)
	}
}

// sweep ends what is due and sleeps until the next is.
func (l *list) sweep() {
	var due []*Link
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
		if k.of.Expire() {
			continue
		}
		l.mu.Lock()
		if !k.over {
			l.push(k, now)
		}
		l.mu.Unlock()
	}
}
