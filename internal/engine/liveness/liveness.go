// Package liveness decides when a silent connection is suspected of being dead,
// when it is probed, and when it is closed.
//
// A peer that hangs, or a network that swallows packets, looks like a slow
// answer: nothing happens. TCP says so after a quarter of an hour, or after
// TCP_USER_TIMEOUT, and never if the peer's kernel lives and its process does
// not. So silence is measured: a connection on which an attempt waits, and from
// which no byte was read for a while since it was sent, is suspect and gets no
// new attempts; one probe asks it for any answer; if the probe was written and
// still nothing is read, the connection is condemned and to be closed hard,
// which ends all that hangs on it.
//
// A peer that has answered a probe is slow, not dead: for a minute after, its
// silence is asked about first, and it is suspected only if the probe goes
// unanswered for as long as half of its time. So a service whose answers take
// a second is left in peace, and its server that hangs is found a quarter of a
// second later.
//
// A probe that is not yet on the wire proves nothing. It may wait for a stream,
// for this process to be scheduled, or, in the kernel, behind an upload. What the
// kernel says is asked only while there is a probe.
//
// # The driver
//
// On the path of a call there are two atomic additions per attempt,
// [Connection.Sent] and [Connection.Over], and no clock, lock or list. Bytes are
// counted by the wrapper of the connection: one addition per system call. All
// else is a check on a timer, on the one goroutine that owns the connections:
//
//   - [Group.Check] when the time that the last one returned has come, and when
//     Sent returned true, which happens at most once after a Check that
//     returned zero: while nothing is in flight, no timer runs.
//     Before it, [Connection.Look] for those that are [Connection.Probing], if
//     the kernel can be asked.
//   - For each [Order] with [Probe]: one RPC on that connection alone, which is
//     not told to Sent and Over; [Connection.ProbeSent] once its stream exists
//     (with grpc-go: after NewStream, which waits for the peer's stream limit),
//     and [Connection.ProbeOver] when it ended in any way, both with the order's
//     number. It may go on when the next order comes: what becomes of it then is
//     ignored. What it answered is of no interest: an answer is bytes.
//   - For each [Condemn]: close the net.Conn, and drop the Connection.
//   - [Connection.Suspect] in a pick: one atomic load.
//   - [Connection.Ask] for what waits and is no attempt, such as a stream.
//
// A check sees silence with the resolution of its period, a quarter of the
// policy's Silence. One that is late by more than a period, because the process
// was stopped or starved, proves nothing about peers: the time before it does
// not count, or as one period if the check before it was late too.
package liveness

// An Action is what the driver is to do about a connection.
type Action uint8

const (
	// Suspect says that it gets no new attempts while others are left.
	// [Connection.Suspect] says so from now on; the order is for observers.
	Suspect Action = iota + 1
	// Probe is to start the one probe.
	Probe
	// Inconclusive says that the probe could not be sent, or ended with nothing
	// read. Another follows later while the connection is suspected.
	Inconclusive
	// Clear says that something was read.
	// [Connection.Suspect] is false from now on.
	Clear
	// Condemn is to close the connection hard. With a dry run, only to say so.
	Condemn
	// Answered says that something was read after the probe of a connection that
	// was not suspected: nothing is to be done.
	Answered
)

var actionNames = [...]string{Suspect: "suspect", Probe: "probe", Inconclusive: "inconclusive", Clear: "clear", Condemn: "condemn", Answered: "answered"}

// String returns the action's word.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return ""
}

// An Order is one action on one connection.
type Order struct {
	// Index is the connection's place in what Check was given.
	Index  int
	Action Action
	// Probe is the number of the connection's latest probe.
	Probe uint64
}
