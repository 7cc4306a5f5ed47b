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
	Contract Contract // what the surefoot arm's service says, beyond its .proto
	Timeline []Fault  // in order of At
	Arms     []Arm
	Expect   []Expectation
}

// Fleet is the servers, numbered from 1.
type Fleet struct {
	Servers int
	Work    time.Duration // how long a server takes to answer a call
	// MaxConnectionAge is after how long the servers of the arm
	// GRPCMaxAge close a connection gracefully.
	MaxConnectionAge time.Duration
}

// DNS is how the clients find the fleet.
type DNS struct {
	TTL         time.Duration // of every answer, whole seconds
	Shuffle     uint64        // seed of the order of addresses in each answer; 0 keeps them in the order of the fleet
	DelistAfter time.Duration // how long a dead server stays listed; 0 for ever
	VirtualIP   bool          // one address that spreads connections over the fleet is listed, not the fleet
	Refusing    int           // listed addresses at which nothing ever lived, and connections are refused
	Silent      int           // the same, and nothing at all comes back
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
	Keys     int           // calls carry one of so many keys in the header KeyHeader; 0 for none
	Cold     bool          // clients start with the measured part: their first calls count
}

// KeyHeader is the header that carries the key of a call.
const KeyHeader = "x-shard"

// Contract is a surefoot.v1.Service in protobuf's text format.
type Contract struct {
	Text string
	Line int // where in the file
}

// Arm names a kind of client that is put through the scenario.
type Arm string

// The arms.
const (
	GRPC           Arm = "grpc-go"                                // as it comes: pick_first
	GRPCRoundRobin Arm = "grpc-go round_robin"                    // with the round_robin policy
	GRPCMaxAge     Arm = "grpc-go round_robin + MaxConnectionAge" // and with servers that close old connections
	Surefoot       Arm = "surefoot"
)

// Arms lists all arms.
func Arms() []Arm { return []Arm{GRPC, GRPCRoundRobin, GRPCMaxAge, Surefoot} }

// DefaultArms lists those of the default run.
func DefaultArms() []Arm { return []Arm{GRPC, GRPCRoundRobin, Surefoot} }
