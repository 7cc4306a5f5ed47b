package balance

import (
	"sync/atomic"
	"time"
)

// An Endpoint is what the pickers know of one endpoint. It outlives pickers.
// The zero Endpoint is neither lost nor out, and nothing is known of its
// latency. Its methods may be called from any goroutine.
//
// What attempts write has a cache line of its own, apart from the flags that
// every pick reads and from what lies beside the Endpoint.
type Endpoint struct {
	// ID tells the endpoint from all others. Hash needs it: clients that give
	// a server the same ID send the same keys to it. It is set before the
	// first picker is made and stays.
	ID uint64
	// Fleet is what the bounded load of Hash compares an endpoint with, nil if
	// that is off. It is set before the first picker is made and stays.
	Fleet *Fleet
	// Owner is what the user of a picker knows the endpoint by. It is set before
	// the first picker is made and stays.
	Owner any

	flags atomic.Uint32

	_        [24]byte
	inFlight atomic.Int64
	latency  estimate
	_        [48]byte
}

// A Fleet is what the endpoints of one channel have in common.
type Fleet struct {
	_        [64]byte
	inFlight atomic.Int64
	_        [56]byte
	changes  atomic.Uint64 // how often a flag of an endpoint has changed
}

const (
	flagLost = 1 << iota
	flagOut
)

// SetLost says whether the endpoint has no connection. Every picker that
// holds it sees this at once.
func (e *Endpoint) SetLost(lost bool) { e.set(flagLost, lost) }

// Lost reports whether the endpoint has no connection.
func (e *Endpoint) Lost() bool { return e.flags.Load()&flagLost != 0 }

// SetOut says whether the endpoint is ejected or suspected: it is picked only
// if no other endpoint is in. Every picker that holds it sees this at once.
func (e *Endpoint) SetOut(out bool) { e.set(flagOut, out) }

// Out reports whether the endpoint is ejected or suspected.
func (e *Endpoint) Out() bool { return e.flags.Load()&flagOut != 0 }

func (e *Endpoint) set(flag uint32, on bool) {
	var before uint32
	if on {
		before = e.flags.Or(flag)
	} else {
		before = e.flags.And(^flag)
	}
	if e.Fleet != nil && on != (before&flag != 0) {
		e.Fleet.changes.Add(1)
	}
}

// Begin counts an attempt that is sent to the endpoint.
func (e *Endpoint) Begin() {
	e.inFlight.Add(1)
	if e.Fleet != nil {
		e.Fleet.inFlight.Add(1)
	}
}

// End takes back one Begin. latency is how long the answer took, negative if
// that says nothing of the endpoint (the attempt was abandoned, or it was a
// stream), and now the time as in Request. A failed attempt counts as slow,
// however fast it failed.
func (e *Endpoint) End(now int64, latency time.Duration, failed bool) {
	e.inFlight.Add(-1)
	if e.Fleet != nil {
		e.Fleet.inFlight.Add(-1)
	}
	if latency >= 0 {
		e.latency.record(now, latency, failed)
	}
}

// InFlight returns how many attempts have begun and not ended.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }
