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
//   - For each [Order] with [Probe]: one RPC on that connection alone, which is
//     not told to Sent and Over, and is cancelled by the next order for that
//     connection; [Connection.ProbeSent] once its stream exists (with grpc-go:
//     after NewStream, which waits for the peer's stream limit), and
//     [Connection.ProbeOver] when it ended in any way. What it answered is of no
//     interest: an answer is bytes.
//   - For each [Condemn]: close the net.Conn, and drop the Connection.
//   - [Connection.Suspect] in a pick: one atomic load.
//
// A check sees silence with the resolution of its period, a quarter of the
// policy's Silence. One that comes late, because the process was stopped or
// starved, proves nothing about peers, and starts all measures anew.
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
	// read: cancel it, another follows later.
	Inconclusive
	// Clear says that something was read: cancel the probe if it still runs.
	// [Connection.Suspect] is false from now on.
	Clear
	// Condemn is to close the connection hard. With a dry run, only to say so.
	Condemn
)

var actionNames = [...]string{Suspect: "suspect", Probe: "probe", Inconclusive: "inconclusive", Clear: "clear", Condemn: "condemn"}

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
}
