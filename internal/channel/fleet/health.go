package fleet

import (
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/ejection"
	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
	"github.com/surefoot-rpc/surefoot/observe"
)

// firstLook is how long after a connection is ready it is looked at first, so
// that those of a new fleet are looked at together.
const firstLook = 20 * time.Millisecond

// look has endpoints and connections looked at soon. mu is held.
func (b *fleetBalancer) look() {
	b.sweeping.in(b, firstLook, b.sweep)
	b.checking.in(b, firstLook, b.check)
}

// sweepSoon is called by attempts whose end is reason to judge an endpoint.
func (b *fleetBalancer) sweepSoon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweeping.in(b, 0, b.sweep)
}

// sweep ejects endpoints and lets them in again. mu is held.
func (b *fleetBalancer) sweep() {
	if b.single() {
		return
	}
	connected, records := b.judged[:0], b.records[:0]
	for _, e := range b.endpoints {
		if e.ready() {
			connected = append(connected, e)
			records = append(records, &e.record)
		}
	}
	b.judged, b.records = connected, records
	now := b.fleet.clock()
	changes, next := b.ejection.Sweep(now, records, b.fleet.cfg.Random())
	for _, c := range changes {
		e := connected[c.Index]
		b.ejected(e, e.record.Out())
		b.tell(b.because(e, c.From.String(), c.To.String(), c.Why))
	}
	if next > 0 {
		b.sweeping.in(b, next-now, b.sweep)
	}
	returned := b.returning
	b.returning = slices.ContainsFunc(records, func(r *ejection.Record) bool { return r.Weight() < 100 })
	if len(changes) > 0 || b.returning || returned {
		b.publish()
	}
	if len(changes) > 0 {
		b.ask()
	}
}

// checkSoon is called by attempts that wake a sleeping watch.
func (b *fleetBalancer) checkSoon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checking.in(b, 0, b.check)
}

// check looks for connections that are silent. mu is held.
func (b *fleetBalancer) check() {
	if b.single() {
		return
	}
	connected, watched := b.judged[:0], b.watched[:0]
	for _, e := range b.endpoints {
		if w := e.wire.Load(); e.ready() && w != nil {
			connected = append(connected, e)
			watched = append(watched, &w.Life)
			if w.Life.Probing() {
				w.Look()
			}
		}
	}
	b.judged, b.watched = connected, watched
	now := b.fleet.clock()
	orders, next := b.liveness.Check(now, watched)
	changed := false // who is to be picked
	for _, o := range orders {
		changed = b.obey(connected[o.Index], o) || changed
	}
	if next > 0 {
		b.checking.in(b, next-now, b.check)
	}
	if changed {
		b.publish()
	}
}

// obey does what was decided about a silent connection. It reports whether
// that changes who is to be picked. mu is held.
func (b *fleetBalancer) obey(e *Endpoint, o liveness.Order) (changed bool) {
	wire, was := e.wire.Load(), e.suspected
	switch o.Action {
	case liveness.Suspect:
		b.suspected(e, wire.Life.Suspect()) // not in a dry run
		b.tell(b.because(e, "ready", "suspect", "an attempt waits and nothing is read"))
	case liveness.Clear:
		b.suspected(e, false)
		b.tell(b.because(e, "suspect", "ready", "something was read"))
	case liveness.Probe:
		b.probe(e, wire, o.Probe)
	case liveness.Condemn:
		b.tell(b.because(e, "suspect", "condemned", "a probe was sent and nothing is read"))
		if !b.fleet.cfg.Policy.Connection.Liveness.DryRun {
			wire.Cut()
		}
	case liveness.Inconclusive: // another may follow
	case liveness.Answered: // the probe ends by itself
	}
	return e.suspected != was
}

func (b *fleetBalancer) because(e *Endpoint, from, to, why string) observe.EndpointChange {
	c := b.change(e, from, to, nil)
	c.Why = why
	return c
}
