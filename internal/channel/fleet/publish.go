package fleet

import (
	"fmt"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/policy"
)

// coalesce is how long a gained endpoint may wait for others, so that the
// bring-up of n endpoints does not build n pickers of up to n endpoints each.
const coalesce = 5 * time.Millisecond

// publishSoon publishes after the coalescing time. mu is held.
func (b *fleetBalancer) publishSoon() { b.pending.in(b, coalesce, b.publish) }

// publishLoss makes a lost endpoint known at once: a call that picked it waits
// in grpc-go for the next picker. The picker in use passes over lost endpoints
// already, so its copy will do until one is built without them; the loss of
// half a fleet then costs little. mu is held.
func (b *fleetBalancer) publishLoss() {
	p := b.fleet.ready.Load()
	if p == nil || b.ready == 0 {
		b.publish()
		return
	}
	again := *p
	b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.Ready, Picker: b.fleet.cfg.Picker(&again, nil)})
	b.fleet.ready.Store(&again)
	b.publishSoon()
}

// publish gives grpc-go the picker for the present state. mu is held.
func (b *fleetBalancer) publish() {
	b.pending.stop()
	var (
		state = connectivity.Connecting
		p     *Picker
		err   error
	)
	switch {
	case b.ready > 0:
		state, p = connectivity.Ready, b.picker()
	case len(b.endpoints) == 0 && b.resolver != nil:
		state, err = connectivity.TransientFailure, b.resolver
	case len(b.endpoints) > 0 && b.failing == len(b.endpoints):
		state = connectivity.TransientFailure
		err = fmt.Errorf("none of %d endpoints can be connected; the last error: %w", len(b.endpoints), b.lastErr)
	}
	if err != nil {
		b.fleet.readiness.note(err)
	}
	if p == nil {
		b.fleet.ready.Store(nil)
	}
	b.cc.UpdateState(balancer.State{ConnectivityState: state, Picker: b.fleet.cfg.Picker(p, err)})
	if p != nil { // who sees it must find that grpc-go picks with it
		b.fleet.ready.Store(p)
		b.fleet.readiness.ready()
	}
}

// single reports whether the one endpoint may stand for many.
func (b *fleetBalancer) single() bool {
	return len(b.endpoints) <= 1 || b.fleet.cfg.Policy.Connection.SingleEndpoint
}

// out reports whether e is to be picked only if no other is left.
func (b *fleetBalancer) out(e *Endpoint) bool {
	return (e.ejected || e.suspected) && !b.panics && !b.single()
}

// ejected says whether e is ejected, suspected whether its connection is
// suspected of being dead. mu is held.
func (b *fleetBalancer) ejected(e *Endpoint, is bool)   { b.mark(e, &e.ejected, is) }
func (b *fleetBalancer) suspected(e *Endpoint, is bool) { b.mark(e, &e.suspected, is) }

func (b *fleetBalancer) mark(e *Endpoint, what *bool, is bool) {
	was := e.ejected || e.suspected
	*what = is
	switch now := e.ejected || e.suspected; {
	case now && !was:
		b.outs++
	case was && !now:
		b.outs--
		e.SetOut(false)
	}
}

// assess tells pickers who is out. If fewer than the panic threshold would be
// left, nobody is: those that are left would be crushed. mu is held.
func (b *fleetBalancer) assess() {
	if b.outs == 0 {
		return
	}
	usable := 0
	for _, e := range b.endpoints {
		if e.ready() && !e.ejected && !e.suspected {
			usable++
		}
	}
	b.panics = usable*100 < len(b.endpoints)*b.fleet.cfg.Policy.Balance.PanicPercent
	for _, e := range b.endpoints {
		if out := b.out(e); out != e.Out() {
			e.SetOut(out)
		}
	}
}

// picker returns the picker over the endpoints that are ready. mu is held.
func (b *fleetBalancer) picker() *Picker {
	b.assess()
	p := &Picker{fleet: b.fleet}
	policy := b.fleet.cfg.Policy.Balance
	l := b.lineUp(policy)
	if b.outs > 0 {
		for i, e := range b.endpoints {
			if e.ready() && e.Out() && e.ejected {
				p.trials = append(p.trials, outsider{e, i})
			}
		}
	}
	b.fleet.groups.present.Store(l.groups)
	b.weigh(&l, policy)
	p.entries = l.entries
	b.engine(p, policy)
	return p
}

// A lineup is what a picker is to be made of. Of a large fleet, each look at an
// endpoint waits for memory: what is to be seen of it is seen at once.
type lineup struct {
	entries []balance.Entry
	groups  uint64 // that have a connection, a bit for each
	even    bool   // no weight is said
}

func (l *lineup) add(e *Endpoint) {
	entry := balance.Entry{Endpoint: &e.Endpoint, Weight: e.weight(), Group: uint8(e.group.Load())}
	l.entries = append(l.entries, entry)
	l.even = l.even && entry.Weight == 1
	if e.ready() {
		l.groups |= 1 << entry.Group
	}
}

// lineUp returns who may be picked. The hash knows every endpoint that is
// listed, at its place there, those without a connection too, so that only their
// own keys move. The others know those that are in; who is out is no part of a
// rotation, or its neighbour would have the turns of both. mu is held.
func (b *fleetBalancer) lineUp(p policy.Balance) lineup {
	if p.Picker == policy.ConsistentHash {
		l := lineup{entries: make([]balance.Entry, 0, len(b.endpoints)), even: true}
		for _, e := range b.endpoints {
			l.add(e)
		}
		if b.ready == b.leavingReady() { // none that is listed is ready
			for _, e := range b.leaving {
				l.add(e)
			}
		}
		return l
	}
	l := lineup{entries: make([]balance.Entry, 0, b.ready), even: true}
	add := func(list []*Endpoint, out bool) {
		for _, e := range list {
			if e.ready() && (b.outs == 0 || e.Out() == out) {
				l.add(e)
			}
		}
	}
	add(b.endpoints, false)
	add(b.leaving, false)
	if len(l.entries) == 0 { // all are out
		add(b.endpoints, true)
		add(b.leaving, true)
	}
	return l
}

// engine makes the part of p that decides. mu is held.
func (b *fleetBalancer) engine(p *Picker, of policy.Balance) {
	switch of.Picker {
	case policy.LeastRequest:
		p.engine, p.counts, p.random = balance.NewLeastRequest(p.entries, of.Choices), true, true
	case policy.PeakEWMA:
		p.engine, p.counts, p.random, p.timed = balance.NewPeakEWMA(p.entries), true, true, true
	case policy.ConsistentHash:
		var prev balance.Picker
		if last := b.fleet.ready.Load(); last != nil {
			prev = last.engine
		}
		p.order = balance.NewHash(p.entries, balance.HashConfig{MaxLoadPercent: of.HashMaxLoadPercent}, prev)
		p.engine = p.order
		p.counts, p.random, p.header = of.HashMaxLoadPercent > 0, true, of.HashHeader
		p.keyed = true
	default:
		p.engine = balance.NewRoundRobin(p.entries, &b.fleet.turn)
	}
}
