package scenario

import "time"

// Scenario is one file. Its zero value is not valid; Parse makes valid ones.
type Scenario struct {
	Name     string // lower case, from the name of the file
	Summary  string // one line for people
	Intent   string // the comment at the head of the file
	Fleet    Fleet
	DNS      DNS
	Load     Load
	Timeline []Fault // in order of At
	Arms     []Arm
	Expect   []Expectation
}

// Fleet is the servers, numbered from 1.
type Fleet struct {
	Servers int
	Work    time.Duration // how long a server takes to answer a call
}

// DNS is how the clients find the fleet.
type DNS struct {
	TTL         time.Duration // of every answer, whole seconds
	Shuffle     uint64        // seed of the order of addresses in each answer; 0 keeps them in the order of the fleet
	DelistAfter time.Duration // how long a dead server stays listed; 0 for ever
}

// Load is who calls, and how often. Calls are issued on schedule whether or not
// earlier ones have returned.
type Load struct {
	Clients  int           // independent clients, each with its own channel
	Rate     float64       // calls per second of each client
	Warmup   time.Duration // calls before it do not count
	Duration time.Duration // of the measured part
	Deadline time.Duration // that callers give each call
	BadAfter time.Duration // a call that takes this long is bad, even when it succeeds
}

// Fault is one thing that happens to some servers.
type Fault struct {
	At      time.Duration // after the measured part began
	Kind    FaultKind
	Servers []int // from 1
	Line    int   // where in the file
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
)

// FaultKinds lists all kinds, in the order in which people read them.
func FaultKinds() []FaultKind {
	return []FaultKind{Kill, Restart, Stop, Continue, SilentDrop, Heal}
}

// NeedsNetwork says whether the fault needs a network of its own, which only
// namespaces give.
func (k FaultKind) NeedsNetwork() bool { return k == SilentDrop || k == Heal }

// Heals says whether the fault undoes another.
func (k FaultKind) Heals() bool { return k == Restart || k == Continue || k == Heal }

// Arm names a kind of client that is put through the scenario.
type Arm string

// The arms.
const (
	GRPC           Arm = "grpc-go"             // as it comes: pick_first
	GRPCRoundRobin Arm = "grpc-go round_robin" // with the round_robin policy
	Surefoot       Arm = "surefoot"
)

// Arms lists all arms.
func Arms() []Arm { return []Arm{GRPC, GRPCRoundRobin, Surefoot} }

// FirstFault returns when the first harm is done, and false when none is.
func (s *Scenario) FirstFault() (time.Duration, bool) {
	for _, f := range s.Timeline {
		if !f.Kind.Heals() {
			return f.At, true
		}
	}
	return 0, false
}
