package fleet

import (
	"time"

	"google.golang.org/grpc/connectivity"
)

// spread is the longest wait before a connect that no call waits for. The
// clients of a fleet learn of a new server, or lose an old one, at the same
// time; they need not all come at the same time.
const spread = 100 * time.Millisecond

// connectSoon has e connected as soon as that may be. mu is held.
func (b *fleetBalancer) connectSoon(e *Endpoint) {
	if b.ready == 0 || e.dialing { // calls may wait for it
		b.enqueue(e)
		return
	}
	if e.waiting != nil {
		return
	}
	e.waiting = time.AfterFunc(b.jitter(), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if e.waiting != nil {
			e.waiting = nil
			b.enqueue(e)
		}
	})
}

func (b *fleetBalancer) jitter() time.Duration {
	return time.Duration(b.fleet.cfg.Random() % uint64(spread))
}

// hurry connects now what waits its turn by chance: the last connection was
// lost. mu is held.
func (b *fleetBalancer) hurry() {
	for _, e := range b.endpoints {
		if e.stopWaiting() {
			b.enqueue(e)
		}
	}
}

// stopWaiting reports whether the endpoint was waiting.
func (e *Endpoint) stopWaiting() bool {
	if e.waiting == nil {
		return false
	}
	e.waiting.Stop()
	e.waiting = nil
	return true
}

// enqueue has e connected when fewer than the limit are being connected. mu is
// held.
func (b *fleetBalancer) enqueue(e *Endpoint) {
	if e.queued {
		return
	}
	e.queued = true
	b.queue = append(b.queue, e)
	b.dial()
}

// dial connects those who wait, as many as may be at once. mu is held.
func (b *fleetBalancer) dial() {
	limit := b.fleet.cfg.Policy.Connection.MaxConnecting
	for len(b.queue) > 0 && b.dialing < limit && !b.closed {
		e := b.queue[0]
		b.queue = b.queue[1:]
		e.queued = false
		if e.state == connectivity.Shutdown || e.state == connectivity.Ready || e.dialing {
			continue
		}
		e.dialing = true
		b.dialing++
		e.conn.Connect()
	}
	if len(b.queue) == 0 {
		b.queue = nil // lets go of those that it has forgotten
	}
}

// dialled says that the connect of e, if there was one, has ended. mu is held.
func (b *fleetBalancer) dialled(e *Endpoint) {
	if e.dialing {
		e.dialing = false
		b.dialing--
		b.dial()
	}
}
