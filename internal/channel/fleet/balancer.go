package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/channel/discovery"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/ejection"
	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
	"github.com/surefoot-rpc/surefoot/observe"
)

// BalancerName is the one name under which grpc-go knows our balancer. It never
// changes: another name would make grpc-go dial every endpoint again.
const BalancerName = "surefoot"

// grpc-go takes balancers from a global registry that must be written in init.
func init() { balancer.Register(builder{}) } //nolint:gochecknoinits // see above

type builder struct{}

func (builder) Name() string { return BalancerName }

func (builder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	b := &fleetBalancer{cc: cc, byKey: make(map[string]*Endpoint), drains: make(map[*Endpoint]*time.Timer)}
	if creds, ok := opts.DialCreds.(*transportCredentials); ok {
		p := &creds.fleet.cfg.Policy
		b.fleet = creds.fleet
		b.ejection = ejection.New(p.Balance.Ejection)
		b.liveness = liveness.New(p.Connection.Liveness)
		if p.Balance.HashMaxLoadPercent > 0 {
			b.load = new(balance.Fleet)
		}
	}
	return b
}

// A fleetBalancer is the balancer of one fleet: one sub-connection for each endpoint
// that is in use, all connected, and a picker over those that are ready.
//
// grpc-go calls it from one goroutine at a time, but timers are other ones;
// hence mu, which guards everything below it. mu is held while calling into
// grpc-go, which never calls a balancer while it holds a lock that such calls
// take. Observers run on a goroutine of their own.
type fleetBalancer struct {
	cc    balancer.ClientConn
	fleet *Fleet
	load  *balance.Fleet // what bounds loads, nil if nothing does

	mu        sync.Mutex
	byKey     map[string]*Endpoint
	endpoints []*Endpoint // that are listed, in the resolver's order
	spare     []*Endpoint // the list before, for its memory
	leaving   []*Endpoint // that are not, and still used
	update    uint32      // how many there were
	farewell  alarm       // drops those that leave
	drains    map[*Endpoint]*time.Timer
	ready     int // endpoints that are ready, of both kinds
	failing   int // of those that are listed, how many are in transient failure

	queue   []*Endpoint // that are to be connected
	dialing int         // connects that run

	ejection  *ejection.Fleet
	liveness  *liveness.Group
	judged    []*Endpoint // those that the last of the two looked at
	records   []*ejection.Record
	watched   []*liveness.Connection
	sweeping  alarm // runs sweep
	checking  alarm // runs check
	outs      int   // endpoints that are ejected or suspected
	returning bool  // some have less than their full weight
	panics    bool  // too few are usable: nobody is out

	lastErr  error // why the last connect failed
	resolver error // what the resolver reported while there is no endpoint
	pending  alarm // runs publish
	closed   bool
}

var errNoChannel = fmt.Errorf("the balancer %q works only in channels that surefoot.NewClient makes", BalancerName)

// tell has observers told of e. mu is held, which keeps the order.
func (b *fleetBalancer) tell(e observe.EndpointChange) { b.fleet.cfg.Changed(e) }

// UpdateClientConnState applies what the resolver found: it connects endpoints
// that are new, lets go of those that are gone and leaves the others alone. An
// empty update is refused, so that an empty answer never empties a fleet.
func (b *fleetBalancer) UpdateClientConnState(s balancer.ClientConnState) error {
	if b.fleet == nil {
		b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: base.NewErrPicker(errNoChannel)})
		return balancer.ErrBadResolverState
	}
	b.mu.Lock()
	found := b.subset(discovery.Found(s.ResolverState))
	if !slices.ContainsFunc(found, func(f resolver.Endpoint) bool { return len(f.Addresses) > 0 }) {
		b.mu.Unlock()
		b.ResolverError(errors.New("the resolver found no endpoints"))
		return balancer.ErrBadResolverState
	}
	b.resolver = nil
	b.list(found)
	b.mu.Unlock()
	return nil
}

// list makes found the endpoints that are listed. mu is held.
func (b *fleetBalancer) list(found []resolver.Endpoint) {
	before := b.endpoints
	b.update++
	endpoints := slices.Grow(b.spare, len(found))
	var fresh, passed []*Endpoint
	same := 0 // what comes next in before, if nothing changed
	changed := false
	if len(before) == 0 {
		b.byKey = make(map[string]*Endpoint, len(found))
		fresh = make([]*Endpoint, 0, len(found))
		b.queue = make([]*Endpoint, 0, len(found))
	}
	for i := range found {
		f := &found[i]
		if len(f.Addresses) == 0 {
			continue
		}
		var e *Endpoint
		// Most updates change little: what comes next is what came next before.
		if same < len(before) && sameAddresses(before[same].found.Addresses, f.Addresses) {
			e = before[same]
		} else if e = b.known(f); e == nil {
			e = newEndpoint(b, *f)
			if err := b.add(e); err != nil {
				b.fleet.cfg.Problem(fmt.Errorf("connect to %s: %w", e.addr, err))
				continue
			}
			fresh = append(fresh, e)
			same--
		} else if same < len(before) {
			passed = append(passed, before[same])
			if same+1 < len(before) && before[same+1] == e {
				same++
			}
		}
		same++
		if e.named == b.update { // named twice
			continue
		}
		e.named = b.update
		changed = changed || e.found.Attributes != f.Attributes || e.leaving
		if e.found.Attributes != f.Attributes {
			e.found.Attributes = f.Attributes
			e.regroup(b.fleet)
		}
		endpoints = append(endpoints, e)
	}
	b.endpoints = endpoints
	for _, list := range [][]*Endpoint{passed, before[min(same, len(before)):]} {
		for _, e := range list {
			if e.named != b.update {
				changed = true
				b.failing -= failing(e.state)
				b.depart(e)
			}
		}
	}
	clear(before)
	b.spare = before[:0]
	if len(b.leaving) > 0 {
		b.stay()
	}
	b.connect(fresh)
	if len(b.leaving) > 0 && b.settled() {
		b.dismiss()
	}
	if changed || b.ready == 0 {
		b.publishLoss() // a new endpoint is not far behind
	}
	if changed { // whoever slept over another fleet must look at this one
		b.look()
	}
}

// stay keeps those that were leaving and are listed again. mu is held.
func (b *fleetBalancer) stay() {
	b.leaving = slices.DeleteFunc(b.leaving, func(e *Endpoint) bool {
		e.leaving = e.named != b.update
		return !e.leaving
	})
	if len(b.leaving) == 0 {
		b.farewell.stop()
	}
}

// known returns the endpoint with the addresses of f, nil if there is none.
func (b *fleetBalancer) known(f *resolver.Endpoint) *Endpoint {
	for e := b.byKey[key(*f)]; e != nil; e = e.next {
		if sameAddresses(e.found.Addresses, f.Addresses) {
			return e
		}
	}
	return nil
}

// add makes the sub-connection of e, not connected. mu is held.
func (b *fleetBalancer) add(e *Endpoint) error {
	//nolint:staticcheck // deprecated for lists of several addresses; there is no other way yet
	conn, err := b.cc.NewSubConn(e.addresses(), balancer.NewSubConnOptions{
		StateListener: func(s balancer.SubConnState) { b.onState(e, s) },
	})
	if err != nil {
		return err
	}
	e.conn, e.state = conn, connectivity.Idle
	k := key(e.found)
	e.next, b.byKey[k] = b.byKey[k], e
	b.tell(b.change(e, "", "idle", nil))
	return nil
}

// connect connects endpoints that are new, in an order by chance, because
// other clients learn of them at the same time. mu is held.
func (b *fleetBalancer) connect(fresh []*Endpoint) {
	for i := len(fresh) - 1; i > 0; i-- {
		j := int(b.fleet.cfg.Random() % uint64(i+1))
		fresh[i], fresh[j] = fresh[j], fresh[i]
	}
	for _, e := range fresh {
		b.connectSoon(e)
	}
}

// onState follows the state of one connection. A failing endpoint stays so
// until it is ready: that it tries again is no news.
func (b *fleetBalancer) onState(e *Endpoint, s balancer.SubConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || e.state == connectivity.Shutdown {
		return
	}
	was, is := e.state, s.ConnectivityState
	if is != connectivity.Connecting {
		b.dialled(e)
	}
	if is == connectivity.Shutdown || is == was {
		return
	}
	if is == connectivity.Idle && !e.leaving {
		if was == connectivity.TransientFailure {
			b.enqueue(e) // grpc-go has waited
		} else {
			defer b.connectSoon(e)
		}
	}
	if was == connectivity.TransientFailure && is != connectivity.Ready {
		return
	}
	b.tell(b.change(e, word(was), word(is), s.ConnectionError))
	b.count(was, -1)
	b.count(is, +1)
	if !e.leaving {
		b.failing += failing(is) - failing(was)
	}
	e.state = is
	if s.ConnectionError != nil {
		b.lastErr = fmt.Errorf("%s: %v", e.addr, s.ConnectionError) //nolint:errorlint // see Config.Picker
		b.fleet.readiness.noteFirst(b.lastErr)
	}
	switch {
	case is == connectivity.Ready:
		b.onReady(e)
	case was == connectivity.Ready:
		b.onLoss(e)
	case b.ready == 0:
		b.publish()
	}
}

func (b *fleetBalancer) onReady(e *Endpoint) {
	e.readyAt = b.fleet.clock()
	e.record.Reconnected(e.readyAt)
	b.suspected(e, false)
	e.SetOut(b.out(e))
	e.SetLost(false)
	if len(b.leaving) > 0 && b.settled() {
		b.dismiss()
	}
	if b.ready == 1 {
		b.publish()
	} else {
		b.publishSoon()
	}
	b.look()
}

func (b *fleetBalancer) onLoss(e *Endpoint) {
	e.SetLost(true)
	if e.leaving {
		b.leaving = slices.DeleteFunc(b.leaving, func(o *Endpoint) bool { return o == e })
		b.drop(e)
		if len(b.leaving) == 0 {
			b.farewell.stop()
		}
	}
	if b.ready == 0 {
		b.hurry()
	}
	b.publishLoss()
	b.ask()
}

// ask has the names looked up again if half of the endpoints are of no use.
// The resolver limits how often that happens.
func (b *fleetBalancer) ask() {
	if 2*(b.ready-len(b.leaving)-b.outs) <= len(b.endpoints) {
		b.cc.ResolveNow(resolver.ResolveNowOptions{})
	}
}

// count keeps ready.
func (b *fleetBalancer) count(s connectivity.State, n int) {
	if s == connectivity.Ready {
		b.ready += n
	}
}

func failing(s connectivity.State) int {
	if s == connectivity.TransientFailure {
		return 1
	}
	return 0
}

// ResolverError fails calls only while there is no endpoint at all, which
// comes about when the resolver says that those it gave must not be used.
func (b *fleetBalancer) ResolverError(err error) {
	if b.fleet == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if emptied := (*discovery.EmptiedError)(nil); errors.As(err, &emptied) {
		b.list(nil)
		b.dismiss()
	}
	if len(b.endpoints) > 0 {
		return
	}
	b.resolver = fmt.Errorf("no endpoints of %s: %v", b.fleet.cfg.Target, err) //nolint:errorlint // see Config.Picker
	b.publish()
}

// UpdateSubConnState is never called: every sub-connection has a listener.
func (b *fleetBalancer) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle connects what is idle.
func (b *fleetBalancer) ExitIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.endpoints {
		if e.state == connectivity.Idle && !e.dialing {
			e.stopWaiting()
			b.enqueue(e)
		}
	}
}

// Close stops the timers. grpc-go closes the connections itself, all at once.
func (b *fleetBalancer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.pending.stop()
	b.sweeping.stop()
	b.checking.stop()
	b.farewell.stop()
	for _, e := range b.endpoints {
		e.stopWaiting()
	}
	for _, t := range b.drains {
		t.Stop()
	}
	if b.fleet != nil {
		b.fleet.ready.Store(nil)
	}
}

func word(s connectivity.State) string { return strings.ToLower(s.String()) }
