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
	// Writing is true while a system call that writes has not returned.
	Writing atomic.Bool

	sent       atomic.Uint64 // attempts
	over       atomic.Uint64
	unanswered atomic.Uint64 // of those over, how many we ended
	asleep     atomic.Bool   // no Check is due
	suspect    atomic.Bool   // published
	asked      atomic.Bool   // to be probed, see Ask
	probe      atomic.Uint64 // the number of the latest probe, and what is known of it
	_          [64]byte

	watch
}

// What is known of a probe: the low bits of Connection.probe. The others are
// its number, so that what is said of an earlier one is ignored.
const (
	_ uint64 = iota // none
	probeStarted
	probeSent
	probeOver
)

const (
	probeBits = 2
	probeMask = 1<<probeBits - 1
)

// Sent says that an attempt was handed to the connection. It reports whether a
// Check should run soon.
func (c *Connection) Sent() (wake bool) {
	c.sent.Add(1)
	return c.asleep.Load() && c.asleep.CompareAndSwap(true, false)
}

// Over says that an attempt which was sent has ended. unanswered says that we
// ended it, because its time or the call's was up, or another attempt was faster:
// then the peer still owes a sign of life. An attempt that its caller cancelled is
// owed nothing.
func (c *Connection) Over(unanswered bool) {
	if unanswered {
		c.unanswered.Add(1)
	}
	c.over.Add(1)
}

// Suspect reports whether the connection should get no new attempts while
// others are left.
func (c *Connection) Suspect() bool { return c.suspect.Load() }

// Ask has the connection probed though no attempt waits on it: something else
// does, such as an open stream. It reports whether a Check should run soon.
func (c *Connection) Ask() (wake bool) {
	c.asked.Store(true)
	return c.asleep.Load() && c.asleep.CompareAndSwap(true, false)
}

// ProbeSent says that the probe of this number has a stream, so that its bytes
// are on their way.
func (c *Connection) ProbeSent(number uint64) {
	c.probe.CompareAndSwap(number<<probeBits|probeStarted, number<<probeBits|probeSent)
}

// ProbeOver says that the probe of this number has ended: answered, failed or
// timed out.
func (c *Connection) ProbeOver(number uint64) {
	if !c.probe.CompareAndSwap(number<<probeBits|probeStarted, number<<probeBits|probeOver) {
		c.probe.CompareAndSwap(number<<probeBits|probeSent, number<<probeBits|probeOver)
	}
}

// A Socket is what this host's kernel knows of a connection's bytes, below
// encryption.
type Socket struct {
	// Acked is how many bytes the peer's kernel has acknowledged, ever.
	Acked uint64
	// Unacked is how many were sent since, Unsent how many wait to be sent.
	Unacked, Unsent uint64
	// Unread is how many have arrived that this process has yet to read.
	Unread uint64
}

// Probing reports whether a probe is on its way, so that the next Check wants
// to know the Socket. It is for the goroutine that checks.
func (c *Connection) Probing() bool { return c.state == asked || c.state == probed }

// Look says what the kernel knows at the time of the next Check. Without it,
// what was written counts as sent. It is for the goroutine that checks.
func (c *Connection) Look(s Socket) { c.socket, c.known = s, true }

// A state is where a connection stands.
type state uint8

const (
	trusted   state = iota
	asked           // trusted, and a probe is on its way
	suspected       // and not probed at the moment
	probed          // suspected, and a probe is on its way
	condemned
)

// watch is what checks remember of a connection.
type watch struct {
	state   state
	fails   uint8 // inconclusive probes in a row
	calm    uint8 // probes in a row that were answered while no attempt was
	idle    bool  // nothing waited at the last check
	known   bool  // socket is
	flushed bool  // the probe was handed to the kernel

	read   uint64        // as of the last check
	count  uint64        // attempts sent, as of the last check
	done   uint64        // attempts over but for unanswered ones, as of the last check
	owed   uint64        // unanswered, when something was last read
	old    uint64        // attempts sent before the last probe was answered
	waits  time.Duration // since when something new waits unanswered; 0 is nothing
	quiet  time.Duration // since when nothing was read
	slow   time.Duration // until when the peer is known to be slow to answer attempts
	number uint64        // of the last probe
	began  time.Duration // when the probe did
	since  time.Duration // since when it is on the wire; 0 while it is not
	moved  time.Duration // when bytes in front of its end were last acknowledged
	wrote  uint64        // bytes written when it began
	again  time.Duration // when the next probe may begin

	socket Socket
	end    uint64 // the probe's last byte, counted as Socket.Acked is; 0 is unknown
	acked  uint64 // as of the last check
}
