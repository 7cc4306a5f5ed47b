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

// Lists holds what may take too long. Use [New]. It may be used from any goroutine.
// The lengths are kept for ever: they must be few.
type Lists struct {
	epoch time.Time

	mu    sync.Mutex // orders replacements of byLen
	byLen atomic.Pointer[map[time.Duration]*List]
}

// New returns lists without anything in them. epoch is when the clock read zero by
// which they are told what time it is.
func New(epoch time.Time) *Lists { return &Lists{epoch: epoch} }

// Timed is what may take too long.
type Timed interface {
	// Expire says that the time is up. It returns false if what it is must go on,
	// for as long again. It may run once more while Stop is called, and it runs on
	// the goroutine that others wait for: it must not block. No list is locked.
	Expire() (over bool)
}

// Of returns the list of what may take d.
func (s *Lists) Of(d time.Duration) *List {
	if m := s.byLen.Load(); m != nil {
		if l := (*m)[d]; l != nil {
			return l
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[time.Duration]*List)
	if m := s.byLen.Load(); m != nil {
		maps.Copy(next, *m)
	}
	l := next[d]
	if l == nil {
		l = new(List)
		for i := range l.shards {
			l.shards[i].init(s.epoch, d)
		}
		next[d] = l
		s.byLen.Store(&next)
	}
	return l
}

// StartAlone starts the time d of t with a timer of its own, for a length that no
// other may have. See [List.Start].
func (s *Lists) StartAlone(k *Link, t Timed, now, d time.Duration) {
	l := &shard{single: true}
	l.init(s.epoch, d)
	l.start(k, t, now)
}

// A List is what has one timeout. It has parts, because one would be the lock that
// all calls of a channel meet at.
type List struct {
	shards [shards]shard
}

const shards = 8

// Start starts the time of t, at now, with the link k, which was never used. The
// last digits of now are what chance is needed for.
func (l *List) Start(k *Link, t Timed, now time.Duration) {
	l.shards[now%shards].start(k, t, now)
}

// A Link is the place of something in a list. The zero Link is in none; it must
// not be copied.
type Link struct {
	in *shard // set once

	// Its mu guards what follows.
	of         Timed
	prev, next *Link         // nil if it is not in the ring
	due        time.Duration // on the clock of the lists
	over       bool          // it must not come back
}

// Started reports whether the time was started.
func (k *Link) Started() bool { return k.in != nil }

// Stop ends the time, if it was started. It returns true if Expire neither has
// ended it nor runs, and will not run any more.
func (k *Link) Stop() (stopped bool) {
	l := k.in
	if l == nil {
		return true
	}
	l.mu.Lock()
	k.over = true
	if stopped = k.next != nil; stopped {
		k.unlink()
	}
	if l.single {
		l.timer.Stop()
	}
	l.mu.Unlock()
	return stopped
}

// unlink takes k out. The timer is left alone: it will find nothing to do. What is
// out leads nowhere, or who keeps one would keep those that came after it.
func (k *Link) unlink() {
	k.prev.next, k.next.prev = k.next, k.prev
	k.prev, k.next = nil, nil
}

// A shard is a part of a list, in the order of the ends.
type shard struct {
	timeout time.Duration
	epoch   time.Time
	single  bool // has but one link, ever

	mu    sync.Mutex
	ring  Link        // its next is the first, its prev the last
	timer *time.Timer // runs sweep, when armed
	armed bool
}

func (l *shard) init(epoch time.Time, timeout time.Duration) {
	l.epoch, l.timeout = epoch, timeout
	l.ring.prev, l.ring.next = &l.ring, &l.ring
}

func (l *shard) start(k *Link, t Timed, now time.Duration) {
	l.mu.Lock()
	k.in, k.of = l, t
	l.push(k, now)
	l.mu.Unlock()
}

// push puts k at the end. mu is held.
func (l *shard) push(k *Link, now time.Duration) {
	k.due = now + l.timeout
	k.prev, k.next = l.ring.prev, &l.ring
	k.prev.next, l.ring.prev = k, k
	if !l.armed {
		l.arm(l.timeout)
	}
}

// arm starts the timer. mu is held.
func (l *shard) arm(d time.Duration) {
	l.armed = true
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
	if l.armed = l.ring.next != &l.ring; l.armed {
		l.arm(l.ring.next.due - now)
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
