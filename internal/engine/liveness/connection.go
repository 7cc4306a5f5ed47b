package liveness

import (
	"sync/atomic"
	"time"
)

// A Connection is what is known of one connection. The zero Connection is
// ready. Its methods may be called from any goroutine; its other fields belong
// to the one that checks.
type Connection struct {
	// Read and Written count the connection's bytes: the driver adds to them
	// when a system call returns.
	Read, Written atomic.Uint64

	sent     atomic.Uint64 // attempts
	over     atomic.Uint64
	timeouts atomic.Uint64 // of those over, how many ended by their own timer
	asleep   atomic.Bool   // no Check is due
	suspect  atomic.Bool   // published
	probe    atomic.Uint32 // what is known of the probe
	_        [64]byte

	watch
}

// What is known of a probe.
const (
	noProbe uint32 = iota
	probeStarted
	probeSent
	probeOver
)

// Sent says that an attempt was handed to the connection. It reports whether a
// Check should run soon.
func (c *Connection) Sent() (wake bool) {
	c.sent.Add(1)
	return c.asleep.Load() && c.asleep.CompareAndSwap(true, false)
}

// Over says that an attempt which was sent has ended. timedOut says that our
// own timer ended it, the attempt's or the call's: then the peer still owes a
// sign of life. An attempt that was cancelled is owed nothing.
func (c *Connection) Over(timedOut bool) {
	if timedOut {
		c.timeouts.Add(1)
	}
	c.over.Add(1)
}

// Suspect reports whether the connection should get no new attempts while
// others are left.
func (c *Connection) Suspect() bool { return c.suspect.Load() }

// ProbeSent says that the probe which was ordered has a stream, so that its
// bytes are on their way.
func (c *Connection) ProbeSent() { c.probe.CompareAndSwap(probeStarted, probeSent) }

// ProbeOver says that the probe has ended: answered, failed or timed out.
func (c *Connection) ProbeOver() {
	if !c.probe.CompareAndSwap(probeStarted, probeOver) {
		c.probe.CompareAndSwap(probeSent, probeOver)
	}
}

// A state is where a connection stands.
type state uint8

const (
	trusted   state = iota
	suspected       // and not probed at the moment
	probed          // suspected, and a probe is on its way
	condemned
)

// watch is what checks remember of a connection.
type watch struct {
	state state
	fails uint8 // inconclusive probes in a row
	calm  uint8 // probes in a row that were answered while no attempt was
	idle  bool  // nothing waited at the last check

	read   uint64        // as of the last check
	count  uint64        // attempts sent, as of the last check
	done   uint64        // attempts over but for timeouts, as of the last check
	owed   uint64        // timeouts, when something was last read
	old    uint64        // attempts sent before the last probe was answered
	waits  time.Duration // since when something new waits unanswered; 0 is nothing
	quiet  time.Duration // since when nothing was read
	began  time.Duration // when the probe did
	stream time.Duration // when its stream was seen
	wrote  uint64        // bytes written when it began
	again  time.Duration // when the next probe may begin
}
