// Package timeouts tells what takes too long that its time is up, for what is
// made by the thousand and mostly ends in time, such as the attempts of calls.
//
// What has the same timeout expires in the order in which it began. So a list for
// each length serves all with one timer between them: an attempt costs two links
// and no allocation, where a timer of its own costs a place in the heap of timers.
// Most ends within moments, and never gets into the list of its length: as in a
// hierarchy of timing wheels (Varghese and Lauck, "Hashed and Hierarchical Timing
// Wheels", 1987), what has begun is with the others that have, until it lingers.
package timeouts

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Timed is what may take too long. Its methods run on a goroutine that others wait
// for, so they must not block; no list is locked. Each may run once more while Stop
// is called.
type Timed interface {
	// Linger says that it has taken for a [Moment], or up to two, if the goroutine
	// that tells it was not kept.
	Linger()
	// Expire says that the time is up. It returns false if what it is must go on,
	// for as long again; then it lingers again, too.
	Expire() (over bool)
}

// shortest is the shortest time of what is told that it lingers: there is enough left
// of it for one that was told late.
const shortest = 4 * Moment

// Lists holds what may take too long. Use [New]. It may be used from any goroutine.
// The lengths are kept for ever: they must be few.
type Lists struct {
	epoch time.Time
	young young

	mu    sync.Mutex // orders replacements of byLen
	byLen atomic.Pointer[map[time.Duration]*List]
}

// New returns lists without anything in them. epoch is when the clock read zero by
// which they are told what time it is.
func New(epoch time.Time) *Lists {
	s := &Lists{epoch: epoch}
	s.young.init(epoch)
	return s
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
		l = &List{}
		if d >= shortest {
			l.young = &s.young
		}
		for i := range l.shards {
			l.shards[i].init(s.epoch, d)
		}
		next[d] = l
		s.byLen.Store(&next)
	}
	return l
}

// StartAlone starts the time d of t with a timer of its own, for a length that no
// other may have. See [List.Start]; t will not be told that it lingers.
func (s *Lists) StartAlone(k *Link, t Timed, now, d time.Duration) {
	l := &shard{single: true}
	l.init(s.epoch, d)
	k.of, k.list = t, l
	l.start(k, now)
}

// A List is what has one timeout. It has parts, because one would be the lock that
// all calls of a channel meet at.
type List struct {
	young  *young // where what has begun is, nil if the time is too short for that
	shards [shards]shard
}

const shards = 8

// Start starts the time of t, at now, with the link k, which was never used. The
// last digits of now are what chance is needed for. It reports whether t will be
// told that it lingers, if it does: not if its time is too short.
func (l *List) Start(k *Link, t Timed, now time.Duration) (lingers bool) {
	i := now % shards
	k.of, k.list = t, &l.shards[i]
	if l.young == nil {
		k.list.start(k, now)
		return false
	}
	k.young = &l.young.shards[i]
	k.young.start(k, now)
	return true
}

// A Link is the place of something in a list. The zero Link is in none; it must
// not be copied.
type Link struct {
	of    Timed       // set once, as the next two are
	list  *shard      // that it is in, or gets into if it lingers; nil if it was never started
	young *youngShard // where it begins, nil if in its list

	lingers bool // it is not in young but in list; both their mu are held to change it

	// mu of where it is guards what follows.
	ring
	due  time.Duration // on the clock of the lists: when it leaves where it is
	over bool          // it must not come back
}

// Started reports whether the time was started.
func (k *Link) Started() bool { return k.list != nil }

// Stop ends the time, if it was started. It returns true if t is told nothing and
// will be told nothing any more.
func (k *Link) Stop() (stopped bool) {
	if k.list == nil {
		return true
	}
	for { // once more if it began again in between
		if k.young != nil {
			if here, stopped := k.young.stop(k); here {
				return stopped
			}
		}
		if here, stopped := k.list.stop(k); here {
			return stopped
		}
	}
}

// leave takes k out for good. It returns false if it was out already. mu of where k
// is, is held.
func (k *Link) leave() bool {
	k.over = true
	if k.next == nil {
		return false
	}
	k.unlink()
	return true
}
