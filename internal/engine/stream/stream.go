// Package stream decides when an open stream has waited, or lasted, for too
// long, and when its connection is to be probed.
//
// What is measured is how long a caller waits, for a message or for room to send
// one. A caller that does neither waits for nothing, and a slow reader finds
// what has arrived meanwhile: neither is silence of the server.
package stream

import (
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// An End is why a stream is ended.
type End uint8

// The ends. The first one is none.
const (
	NoEnd End = iota
	// NoFirstMessage is that the server's first message did not come.
	NoFirstMessage
	// Silent is that no message came for too long, and the contract says that
	// this breaks the stream.
	Silent
	// Aged is that the stream has lasted for as long as it may.
	Aged
	// Blocked is that a message could not be sent.
	Blocked
)

var endNames = [...]string{NoEnd: "", NoFirstMessage: "no first message", Silent: "silent", Aged: "aged", Blocked: "blocked"}

// String returns the end in words.
func (e End) String() string {
	if int(e) < len(endNames) {
		return endNames[e]
	}
	return ""
}

// Facts are what is known of a stream at a time. Times are of one clock, which
// is never zero.
type Facts struct {
	Now time.Duration
	// Receiving and Sending are since when the caller waits for a message, and
	// for one to be sent. 0 is not at all.
	Receiving, Sending time.Duration
	// Started says that a message has come.
	Started bool
	// Read counts the bytes that were read from the connection, Before those that
	// were read when Receiving began.
	Read, Before uint64
}

// A Step is what to do.
type Step struct {
	End End
	// Probe says that the connection owes a sign of life.
	Probe bool
	// Next is when to check again, if the stream goes on; 0 is never.
	Next time.Duration
}

// longest is to which multiple the waits between probes double: silence is the
// normal state of many streams.
const longest = 5

// A Watch is the state of one stream. It belongs to one goroutine.
type Watch struct {
	policy policy.Stream
	end    time.Duration // of its age; 0 is never

	wait   time.Duration // the wait that was looked at last
	read   uint64        // bytes, when it was
	probes uint8         // in this wait
	next   time.Duration // when its silence is looked at
}

// New returns the watch of a stream that is opened now. r is a random number:
// streams that begin together do not end together.
func New(p policy.Stream, now time.Duration, r uint64) Watch {
	w := Watch{policy: p}
	if p.MaxAge > 0 {
		w.end = now + p.MaxAge - time.Duration(r%uint64(p.MaxAge/10+1))
	}
	return w
}

// Check decides at f.Now. It is to be called at the times that it returns, and
// first when the stream is opened. One that comes late decides as late.
func (w *Watch) Check(f Facts) Step {
	w.follow(f)
	s := Step{End: w.ended(f)}
	if s.End != NoEnd {
		return s
	}
	if w.next > 0 && f.Now >= w.next {
		s.Probe = f.Read == w.read
		w.read = f.Read
		if s.Probe {
			w.probes = min(w.probes+1, longest)
		}
		w.next = f.Now + w.policy.Silence<<w.probes
	}
	s.Next = w.due(f)
	return s
}

// follow notes a wait that has begun since the last check.
func (w *Watch) follow(f Facts) {
	if f.Receiving == w.wait {
		return
	}
	w.wait, w.read, w.probes, w.next = f.Receiving, f.Before, 0, 0
	if w.wait > 0 && w.policy.Silence > 0 {
		w.next = w.wait + w.policy.Silence
	}
}

func (w *Watch) ended(f Facts) End {
	over := func(since, limit time.Duration) bool { return since > 0 && limit > 0 && f.Now >= since+limit }
	switch p := &w.policy; {
	case w.end > 0 && f.Now >= w.end:
		return Aged
	case !f.Started && over(f.Receiving, p.FirstMessageTimeout):
		return NoFirstMessage
	case p.SilenceBreaks && over(f.Receiving, p.Silence):
		return Silent
	case over(f.Sending, p.SendTimeout):
		return Blocked
	default:
		return NoEnd
	}
}

// due returns when something can be due: of a wait that has not begun, that it
// begins now.
func (w *Watch) due(f Facts) time.Duration {
	next := w.end
	sooner := func(at time.Duration) {
		if next == 0 || at < next {
			next = at
		}
	}
	limit := func(since, limit time.Duration) {
		if limit > 0 {
			if since == 0 {
				since = f.Now
			}
			sooner(since + limit)
		}
	}
	p := &w.policy
	if !f.Started {
		limit(f.Receiving, p.FirstMessageTimeout)
	}
	if w.next > 0 {
		sooner(w.next)
	}
	limit(0, p.Silence) // another wait may begin now
	limit(f.Sending, p.SendTimeout)
	return next
}
