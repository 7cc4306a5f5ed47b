// Package balance decides which endpoint an attempt goes to.
//
// A picker is an immutable view of the endpoints that are ready. What changes
// faster than the view (an endpoint just lost, whose turn it is) lives in
// atomics that pickers share, so that a pick takes no lock.
package balance

import (
	"slices"
	"sync/atomic"
)

// An Endpoint is what the pickers know of one endpoint. It outlives pickers.
// The zero Endpoint is ready. Its methods may be called from any goroutine.
type Endpoint struct {
	lost atomic.Bool
}

// SetLost says whether the endpoint has no connection. Every picker that
// holds it sees this at once.
func (e *Endpoint) SetLost(lost bool) { e.lost.Store(lost) }

// Lost reports whether the endpoint has no connection.
func (e *Endpoint) Lost() bool { return e.lost.Load() }

// A Request is what a pick depends on besides the endpoints.
type Request struct {
	// Avoid are the endpoints that must not be picked while another may be:
	// those that failed this call or still work on it.
	Avoid []*Endpoint
}

func (r Request) avoids(e *Endpoint) bool { return slices.Contains(r.Avoid, e) }

// RoundRobin gives each endpoint its turn.
type RoundRobin struct {
	endpoints []*Endpoint
	turn      *atomic.Uint64
}

// NewRoundRobin returns a picker over endpoints, which must not be changed
// afterwards. turn is shared by the pickers that follow each other, so that a
// new one goes on where the last one was.
func NewRoundRobin(endpoints []*Endpoint, turn *atomic.Uint64) *RoundRobin {
	return &RoundRobin{endpoints: endpoints, turn: turn}
}

// Pick returns the index of the endpoint whose turn it is. It passes over the
// lost ones, and over those that r avoids unless no other is left. It returns
// -1 if every endpoint is lost.
func (p *RoundRobin) Pick(r Request) int {
	n := uint64(len(p.endpoints))
	if n == 0 {
		return -1
	}
	start := p.turn.Add(1)
	avoided := -1
	for i := range n {
		k := int((start + i) % n)
		switch e := p.endpoints[k]; {
		case e.Lost():
		case !r.avoids(e):
			return k
		case avoided < 0:
			avoided = k
		}
	}
	return avoided
}

// Fresh reports whether an endpoint is left that is neither lost nor avoided
// by r.
func (p *RoundRobin) Fresh(r Request) bool {
	for _, e := range p.endpoints {
		if !e.Lost() && !r.avoids(e) {
			return true
		}
	}
	return false
}
