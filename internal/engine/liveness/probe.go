package liveness

import "time"

// start begins a probe.
func (c *Connection) start(now time.Duration) (number uint64) {
	c.number++
	c.began, c.since, c.moved, c.wrote = now, 0, 0, c.Written.Load()
	c.flushed, c.known, c.end = false, false, 0
	c.probe.Store(c.number<<probeBits | probeStarted)
	return c.number
}

// stop forgets the probe, which leaves its number.
func (c *Connection) stop() { c.probe.Store(c.number << probeBits) }

// A finding is what a probe has shown so far.
type finding uint8

const (
	waiting finding = iota // for an answer, or for the probe to be sent
	nothing                // it could not be sent, or ended: inconclusive
	silence                // it was sent and its time is up: the peer is dead
)

// find returns what the probe has shown, for a connection from which nothing
// was read since before it began.
//
// The peer has as long as our patience to answer, and that begins again whenever
// its kernel acknowledges bytes in front of the probe's end: the probe is still
// on its way then, behind an upload, and the peer could not have seen it. What is
// acknowledged behind the probe shows nothing: the kernel of a hung process
// acknowledges until its buffer is full.
func (c *Connection) find(now, timeout, patience time.Duration) finding {
	p := c.probe.Load() & probeMask
	if p == probeSent && !c.flushed { // grpc-go flushes before it pauses
		c.flushed = c.Written.Load() != c.wrote && !c.Writing.Load()
	}
	sent := c.flushed && c.onWire(now)
	switch {
	case !sent:
		c.since = 0
	case c.since == 0 && now-c.began > timeout/2:
		c.since = now // it waited, and has yet to be answered
	case c.since == 0:
		c.since = max(c.began, 1) // it may have been sent at once
	}
	switch {
	case c.Read.Load() != c.read: // the next check sees it
		return waiting
	case sent && now-max(c.since, c.moved) >= patience && p == probeSent:
		return silence
	case p == probeOver,
		p == probeStarted && now-c.began >= timeout,
		!sent && now-max(c.began, c.moved) >= 2*timeout:
		return nothing
	}
	return waiting
}

// onWire reports whether the last byte of a probe that was flushed has left
// this host, as far as the kernel says.
func (c *Connection) onWire(now time.Duration) bool {
	if !c.known {
		return true
	}
	s := c.socket
	switch {
	case c.end == 0: // what was written after the probe makes it seem later, no worse
		c.end = s.Acked + s.Unacked + s.Unsent
	case s.Acked > c.acked && c.acked < c.end:
		c.moved = now
	}
	c.acked = s.Acked
	return s.Acked+s.Unacked >= c.end
}
