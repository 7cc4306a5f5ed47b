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
	Contract Contract // what the service says to surefoot arms, beyond its .proto
	Timeline []Fault  // in order of At
	Arms     []Arm
	Expect   []Expectation
}

// Fleet is the servers, numbered from 1.
type Fleet struct {
	Servers int
	Work    time.Duration // how long a server takes to answer a call
	// Concurrency is how many calls a server works on at a time; 0 is any
	// number. The others wait in line, and leave it when their callers do.
	// Work that was begun is ended, whoever still waits for it.
	Concurrency int
	// SlowPercent of the calls that a server works on, at random, take
	// SlowWork instead of Work.
	SlowPercent int
	SlowWork    time.Duration
	// Layers is how many services stand behind each other: the servers of each
	// call those of the next, and clients call the first. The servers are
	// dealt out to them in order.
	Layers int
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
	Writes   int           // of 100 calls, so many change something and are not idempotent
	// Watch is how often an item changes that each client watches, beside its
	// calls; 0 for none.
	Watch time.Duration
	// Lease is the time to live of a lease that each client holds, beside its
	// calls; 0 for none.
	Lease time.Duration
	// AttemptTimeout is what the client GRPCNaive gives each of its attempts.
	AttemptTimeout time.Duration
	// OwnTimeout is what servers give their calls whose client is
	// GRPCOwnTimeouts.
	OwnTimeout time.Duration
}

// KeyHeader is the header that carries the key of a call.
const KeyHeader = "x-shard"

// Contract is lines of YAML that hold a surefoot.v1.Contract, as a contract file
// does, but for the name of the service.
type Contract struct {
	Text   string // the lines below the field's name, as they stand in the file
	Line   int    // of the field's name
	Indent int    // of the lines
}

// Arm is clients that are put through the scenario.
type Arm struct {
	Name     string // of the kind of client, unless it is given
	Client   Client
	Contract Contract // the scenario's, unless the arm has one of its own
	Profile  string   // of the contract, which a surefoot client chooses; "" for none
	Line     int      // where in the file
}

// Client names a kind of client.
type Client string

// The kinds of clients. All but the first and that of ring_hash balance by round_robin.
const (
	GRPC            Client = "grpc-go"                                // as it comes: pick_first
	GRPCRoundRobin  Client = "grpc-go round_robin"                    // with the round_robin policy
	GRPCMaxAge      Client = "grpc-go round_robin + MaxConnectionAge" // and with servers that close old connections
	GRPCRingHash    Client = "grpc-go ring_hash"                      // with the ring_hash policy, by the key of the call
	GRPCRetryPolicy Client = "grpc-go retryPolicy"                    // with its retryPolicy and retryThrottling
	GRPCNaive       Client = "naive retries"                          // a loop around each call, as people write it
	GRPCOwnTimeouts Client = "own timeouts"                           // a server that calls another one does not pass its caller's deadline on
	Surefoot        Client = "surefoot"
)

// Clients lists all kinds of clients.
func Clients() []Client {
	return []Client{GRPC, GRPCRoundRobin, GRPCMaxAge, GRPCRingHash, GRPCRetryPolicy, GRPCNaive, GRPCOwnTimeouts, Surefoot}
}

// DefaultArms lists those of the default run.
func DefaultArms() []Arm {
	return []Arm{{Name: string(GRPC), Client: GRPC}, {Name: string(GRPCRoundRobin), Client: GRPCRoundRobin}, {Name: string(Surefoot), Client: Surefoot}}
}
