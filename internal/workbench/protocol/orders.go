package protocol

import "time"

// ServeOrder tells a server program what to be. Durations travel as
// nanoseconds.
type ServeOrder struct {
	Name   string        `json:"name"`              // what it answers under
	Listen string        `json:"listen"`            // address and port
	Work   time.Duration `json:"work"`              // how long each call takes to answer
	MaxAge time.Duration `json:"max_age,omitempty"` // after which it closes a connection; 0 for never

	Concurrency int           `json:"concurrency,omitempty"`  // calls that it works on at a time; 0 for any number
	SlowPercent int           `json:"slow_percent,omitempty"` // of the calls, at random, take SlowWork
	SlowWork    time.Duration `json:"slow_work,omitempty"`
	Changes     time.Duration `json:"changes,omitempty"` // how often what is watched changes; 0 when it is written to
	Plain       bool          `json:"plain,omitempty"`   // a server of grpc-go
	Next        *Further      `json:"next,omitempty"`    // what it calls to answer; nil for nothing
}

// Further is how a server calls the services behind it.
type Further struct {
	Client         string        `json:"client"`
	Target         string        `json:"target"`
	Contract       string        `json:"contract,omitempty"`
	Profile        string        `json:"profile,omitempty"`
	AttemptTimeout time.Duration `json:"attempt_timeout"` // of clients that repeat by hand
	Timeout        time.Duration `json:"timeout"`         // of calls whose client does not heed the caller's deadline
}

// Behave is a line that tells a server program to be worse from now on, or well
// again. The zero value is a server that is well.
type Behave struct {
	Factor float64 `json:"factor,omitempty"` // how many times as long a call takes; 0 is 1
	Code   string  `json:"code,omitempty"`   // the name of a status code to answer with, at once
	Share  int     `json:"share,omitempty"`  // of 100 calls, so many are answered with Code
	Cut    bool    `json:"cut,omitempty"`    // not answered: the connection is cut when their work is done
	Report bool    `json:"report,omitempty"` // changes nothing; the server says what it did so far
}

// LoadOrder tells a load program which clients to be.
type LoadOrder struct {
	Arm      string        `json:"arm"`    // its name
	Client   string        `json:"client"` // its kind
	Target   string        `json:"target"` // as given to NewClient
	Clients  int           `json:"clients"`
	First    int           `json:"first"`    // index of this program's first client among all of the run
	Of       int           `json:"of"`       // clients of the run in all programs, to spread their phases
	Rate     float64       `json:"rate"`     // calls per second and client
	Deadline time.Duration `json:"deadline"` // of each call, set by the caller
	BadAfter time.Duration `json:"bad_after"`
	Keys     int           `json:"keys,omitempty"`     // calls carry one of so many keys; 0 for none
	Cold     bool          `json:"cold,omitempty"`     // ready without a first answer
	Contract string        `json:"contract,omitempty"` // of the service: a contract file in YAML
	Profile  string        `json:"profile,omitempty"`  // of the contract
	Writes   int           `json:"writes,omitempty"`   // of 100 calls, so many change something
	Audit    bool          `json:"audit,omitempty"`    // calls that count say so to the servers
	Watch    time.Duration `json:"watch,omitempty"`    // each client watches an item that changes so often; 0 for none
	Lease    time.Duration `json:"lease,omitempty"`    // each client holds a lease of this time to live; 0 for none
	// AttemptTimeout is of clients that repeat by hand.
	AttemptTimeout time.Duration `json:"attempt_timeout,omitempty"`
}

// Go starts the calls of a load program that has reported ready. Calls start
// at Start and are counted when they were planned for [From, Until).
type Go struct {
	Start Instant       `json:"start"`
	From  Instant       `json:"from"`
	Until Instant       `json:"until"`
	Slice time.Duration `json:"slice"` // width of the slices of Tally.Slices
	// Quiet and After are when the first fault was planned and when clients
	// should have reacted to it: the latencies of calls planned before and from
	// then on are also kept apart. 0 without a fault.
	Quiet Instant `json:"quiet,omitempty"`
	After Instant `json:"after,omitempty"`
	// Settled is when a service should have recovered from its trouble. 0
	// without one that ends.
	Settled Instant `json:"settled,omitempty"`
}

// Line is one line of a program's standard output; exactly one field is set.
type Line struct {
	Ready    bool      `json:"ready,omitempty"` // the server listens, or every client has had an answer
	Progress *Progress `json:"progress,omitempty"`
	Tally    *Tally    `json:"tally,omitempty"`  // the last line of a load program
	Served   *Served   `json:"served,omitempty"` // what a server did, when it is asked
	Error    string    `json:"error,omitempty"`  // why the program ends
}

// Progress is what a load program has counted so far.
type Progress struct {
	Calls  int64 `json:"calls"`
	Failed int64 `json:"failed"`
}
