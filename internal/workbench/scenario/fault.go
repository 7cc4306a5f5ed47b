package scenario

import "time"

// Fault is one thing that happens to some servers, or to DNS.
type Fault struct {
	At      time.Duration // after the measured part began
	Kind    FaultKind
	Servers []int   // from 1; none for BadDNS
	Factor  float64 // of Slow: how many times as long a call takes
	Code    string  // of Answer: the name of a status code
	Share   int     // of Answer and LoseReply: to how many calls of 100
	Reply   Reply   // of BadDNS
	Line    int     // where in the file
}

// FaultKind names what a fault does.
type FaultKind string

// The faults. Healing kinds undo what another kind did.
const (
	Kill       FaultKind = "kill"        // kill -9: connections are reset, the port is closed
	Restart    FaultKind = "restart"     // a killed server comes back under the same address
	Stop       FaultKind = "stop"        // SIGSTOP: the process hangs, its kernel still acknowledges
	Continue   FaultKind = "continue"    // SIGCONT: undoes stop
	SilentDrop FaultKind = "silent-drop" // every packet to and from the server vanishes
	Heal       FaultKind = "heal"        // undoes silent-drop
	Slow       FaultKind = "slow"        // every call takes Factor times as long
	Answer     FaultKind = "answer"      // Share of the calls are answered with Code, at once
	LoseReply  FaultKind = "lose-reply"  // Share of the calls are done, and their connection is cut before the reply leaves
	Recover    FaultKind = "recover"     // undoes slow, answer and lose-reply
	Join       FaultKind = "join"        // a server that was not there before starts and is listed
	BadDNS     FaultKind = "dns"         // the DNS server answers as Reply says
)

// FaultKinds lists all kinds, in the order in which people read them.
func FaultKinds() []FaultKind {
	return []FaultKind{Kill, Restart, Stop, Continue, SilentDrop, Heal, Slow, Answer, LoseReply, Recover, Join, BadDNS}
}

// needsNetwork says whether the fault needs a network of its own, which only
// namespaces give.
func (k FaultKind) needsNetwork() bool { return k == SilentDrop || k == Heal }

// Harms says whether the fault does harm: it neither undoes another nor adds a
// server.
func (f Fault) Harms() bool {
	switch f.Kind {
	case Restart, Continue, Heal, Recover, Join:
		return false
	case BadDNS:
		return f.Reply != Normal
	case Kill, Stop, SilentDrop, Slow, Answer, LoseReply:
		return true
	}
	return false
}

// Reply names how the DNS server answers.
type Reply string

// The replies of a DNS server in trouble, and of one that is well.
const (
	Normal        Reply = "normal"         // the addresses
	ServFail      Reply = "servfail"       // SERVFAIL: it does not know
	NXDomain      Reply = "nxdomain"       // NXDOMAIN: there is no such name
	Refused       Reply = "refused"        // REFUSED: it does not want to
	NoReply       Reply = "no-reply"       // nothing: the client waits in vain
	Empty         Reply = "empty"          // success without an address
	Truncated     Reply = "truncated"      // "too long, ask over TCP", and there the connection is closed
	Garbage       Reply = "garbage"        // bytes that are no DNS message
	WrongID       Reply = "wrong-id"       // another address, in the answer to a query that nobody sent
	WrongQuestion Reply = "wrong-question" // another address, in the answer to another question
	Loop          Reply = "loop"           // two aliases that name each other
	Flapping      Reply = "flapping"       // one half of the addresses, then the other
)

// Replies lists all replies.
func Replies() []Reply {
	return []Reply{Normal, ServFail, NXDomain, Refused, NoReply, Empty, Truncated, Garbage, WrongID, WrongQuestion, Loop, Flapping}
}
