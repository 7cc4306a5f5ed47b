package fleet

import (
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/surefoot-rpc/surefoot/observe"
)

// farewellAfter is how long an endpoint that is no longer listed is used because
// too few of the listed ones are ready. A name server can be wrong; a
// connection that works is not.
const farewellAfter = 10 * time.Second

// depart lets go of an endpoint that is no longer listed: at once if it has no
// connection, else when enough of the others have one. mu is held.
func (b *fleetBalancer) depart(e *Endpoint) {
	if !e.ready() {
		b.drop(e)
		return
	}
	e.leaving = true
	b.leaving = append(b.leaving, e)
	b.farewell.in(b, farewellAfter, b.sayFarewell)
}

// sayFarewell drops those that leave when they were used for that long, but never the
// last that work. mu is held.
func (b *fleetBalancer) sayFarewell() {
	if b.ready == b.leavingReady() {
		b.farewell.in(b, farewellAfter, b.sayFarewell)
		return
	}
	b.dismiss()
	b.publish()
}

// settled reports whether enough listed endpoints are ready to do without
// those that leave: as many as keep the fleet out of panic. mu is held.
func (b *fleetBalancer) settled() bool {
	ready := b.ready - b.leavingReady()
	return ready > 0 && ready*100 >= len(b.endpoints)*b.fleet.cfg.Policy.Balance.PanicPercent
}

func (b *fleetBalancer) leavingReady() int {
	n := 0
	for _, e := range b.leaving {
		if e.ready() {
			n++
		}
	}
	return n
}

// dismiss drops those that leave. Their calls go on. mu is held.
func (b *fleetBalancer) dismiss() {
	for _, e := range b.leaving {
		b.drop(e)
	}
	b.leaving = nil
	b.farewell.stop()
}

// drop ends an endpoint. Its calls have the drain time to end. mu is held.
func (b *fleetBalancer) drop(e *Endpoint) {
	b.tell(b.change(e, word(e.state), "gone", nil))
	b.count(e.state, -1)
	b.ejected(e, false)
	b.suspected(e, false)
	b.forget(e)
	b.judged, b.records, b.watched = nil, nil, nil // room that would hold on to it
	e.state = connectivity.Shutdown
	e.SetLost(true)
	e.stopWaiting()
	b.dialled(e)
	// grpc-go says GOAWAY first, and waits for up to five seconds for a writer that
	// is stuck on a dead peer. Calls would wait with it, for mu.
	go e.conn.Shutdown()
	wire, limit := e.wire.Load(), b.fleet.cfg.Policy.Connection.Drain
	if wire == nil || limit == 0 {
		return
	}
	b.drains[e] = time.AfterFunc(limit, func() {
		wire.Cut() // a connection that has closed by itself is none the worse
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.drains, e)
	})
}

// forget takes e out of byKey. mu is held.
func (b *fleetBalancer) forget(e *Endpoint) {
	k := key(e.found)
	if b.byKey[k] == e {
		if e.next == nil {
			delete(b.byKey, k)
		} else {
			b.byKey[k] = e.next
		}
		return
	}
	for p := b.byKey[k]; p != nil; p = p.next {
		if p.next == e {
			p.next = e.next
			return
		}
	}
}

func (b *fleetBalancer) change(e *Endpoint, from, to string, err error) observe.EndpointChange {
	return observe.EndpointChange{Target: b.fleet.cfg.Target, Endpoint: e.addr, From: from, To: to, Err: err}
}
