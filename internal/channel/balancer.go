package channel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/observe"
)

// policyName is the one name under which grpc-go knows our balancer. It never
// changes: another name would make grpc-go dial every endpoint again.
const policyName = "surefoot"

// grpc-go takes balancers from a global registry that must be written in init.
func init() { balancer.Register(builder{}) } //nolint:gochecknoinits // see above

type builder struct{}

func (builder) Name() string { return policyName }

func (builder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	b := &fleet{cc: cc, byKey: make(map[string]*endpoint)}
	if creds, ok := opts.DialCreds.(*transportCredentials); ok {
		b.channel = creds.channel
	}
	return b
}

// coalesce is how long a gained endpoint may wait for others, so that the
// bring-up of n endpoints does not build n pickers of up to n endpoints each.
const coalesce = 5 * time.Millisecond

// A fleet is the balancer of one channel: one sub-connection for each
// endpoint, all connected, and a picker over those that are ready.
//
// grpc-go calls it from one goroutine at a time, but the timer that publishes
// coalesced gains is another one; hence mu, which guards everything below it.
// mu is held while calling into grpc-go, which never calls a balancer while it
// holds a lock that such calls take. Observers run with mu released.
type fleet struct {
	cc      balancer.ClientConn
	channel *Channel

	mu        sync.Mutex
	byKey     map[string]*endpoint
	endpoints []*endpoint
	ready     int         // endpoints that are ready
	failing   int         // endpoints that are in transient failure
	lastErr   error       // why the last connect failed
	resolver  error       // what the resolver reported while there is no endpoint
	timer     *time.Timer // publishes, nil unless a change waits
	closed    bool
}

// An endpoint is one resolved backend and its connection.
type endpoint struct {
	balance.Endpoint
	conn  balancer.SubConn
	addr  string // of its first address, for people
	addrs []resolver.Address
	next  *endpoint // with the same key
	state connectivity.State
	kept  bool // named by the update that is being applied
}

var errNoChannel = fmt.Errorf("the balancer %q works only in channels that surefoot.NewClient makes", policyName)

// UpdateClientConnState applies what the resolver found: it connects endpoints
// that are new, lets go of those that are gone and leaves the others alone. An
// empty update is refused, so that an empty answer never empties a fleet.
func (b *fleet) UpdateClientConnState(s balancer.ClientConnState) error {
	if b.channel == nil {
		b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: failPicker{errNoChannel}})
		return balancer.ErrBadResolverState
	}
	var events []observe.EndpointChange
	b.mu.Lock()
	fresh := b.mark(s.ResolverState.Endpoints)
	if len(fresh) == 0 && !b.anyKept() {
		b.mu.Unlock()
		b.ResolverError(errors.New("the resolver found no endpoints"))
		return balancer.ErrBadResolverState
	}
	b.resolver = nil
	endpoints := make([]*endpoint, 0, len(s.ResolverState.Endpoints))
	lost := false
	for _, e := range b.endpoints {
		if e.kept {
			e.kept = false
			endpoints = append(endpoints, e)
			continue
		}
		events = append(events, b.change(e, word(e.state), "gone", nil))
		lost = lost || e.state == connectivity.Ready
		b.count(e.state, -1)
		b.forget(e)
		e.state = connectivity.Shutdown
		e.SetLost(true)
		e.conn.Shutdown()
	}
	for _, e := range fresh {
		if err := b.connect(e); err != nil {
			b.channel.problem(fmt.Errorf("connect to %s: %w", e.addr, err))
			b.forget(e)
			continue
		}
		endpoints = append(endpoints, e)
		events = append(events, b.change(e, "", "idle", nil))
	}
	b.endpoints = endpoints
	if lost || b.ready == 0 {
		b.publish()
	}
	b.mu.Unlock()
	b.notify(events)
	return nil
}

// mark marks the endpoints that found names as kept and returns those that are
// new, already in byKey.
func (b *fleet) mark(found []resolver.Endpoint) []*endpoint {
	var fresh []*endpoint
	for _, f := range found {
		if len(f.Addresses) == 0 {
			continue
		}
		k := key(f.Addresses)
		e := b.byKey[k]
		for ; e != nil; e = e.next {
			if sameAddresses(e.addrs, f.Addresses) {
				break
			}
		}
		if e == nil {
			e = &endpoint{addr: f.Addresses[0].Addr, addrs: f.Addresses, next: b.byKey[k]}
			e.SetLost(true)
			b.byKey[k] = e
			fresh = append(fresh, e)
		}
		e.kept = true
	}
	for _, e := range fresh {
		e.kept = false
	}
	return fresh
}

func (b *fleet) anyKept() bool {
	for _, e := range b.endpoints {
		if e.kept {
			return true
		}
	}
	return false
}

// key is what endpoints are looked up by. Endpoints that differ in attributes
// alone, as those behind an HTTP proxy do, share it.
func key(addrs []resolver.Address) string {
	if len(addrs) == 1 {
		return addrs[0].Addr
	}
	var k strings.Builder
	for _, a := range addrs {
		k.WriteString(a.Addr)
		k.WriteByte(' ')
	}
	return k.String()
}

// sameAddresses reports whether a connection to a serves for b: what only
// balancers look at does not count (as in grpc-go, resolver.Address).
func sameAddresses(a, b []resolver.Address) bool {
	return slices.EqualFunc(a, b, func(x, y resolver.Address) bool {
		return x.Addr == y.Addr && x.ServerName == y.ServerName && x.Attributes.Equal(y.Attributes)
	})
}

func (b *fleet) forget(e *endpoint) {
	k := key(e.addrs)
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

func (b *fleet) connect(e *endpoint) error {
	//nolint:staticcheck // deprecated for lists of several addresses; there is no other way yet
	conn, err := b.cc.NewSubConn(e.addrs, balancer.NewSubConnOptions{
		StateListener: func(s balancer.SubConnState) { b.onState(e, s) },
	})
	if err != nil {
		return err
	}
	e.conn, e.state = conn, connectivity.Idle
	conn.Connect()
	return nil
}

// onState follows the state of one connection. A failing endpoint stays so
// until it is ready: that it tries again is no news.
func (b *fleet) onState(e *endpoint, s balancer.SubConnState) {
	b.mu.Lock()
	if b.closed || e.state == connectivity.Shutdown {
		b.mu.Unlock()
		return
	}
	was, is := e.state, s.ConnectivityState
	if is == connectivity.Idle {
		e.conn.Connect()
	}
	if is == connectivity.Shutdown || is == was ||
		was == connectivity.TransientFailure && is != connectivity.Ready {
		b.mu.Unlock()
		return
	}
	event := b.change(e, word(was), word(is), s.ConnectionError)
	b.count(was, -1)
	b.count(is, +1)
	e.state = is
	if s.ConnectionError != nil {
		b.lastErr = fmt.Errorf("%s: %v", e.addr, s.ConnectionError) //nolint:errorlint // see failPicker
	}
	switch {
	case is == connectivity.Ready:
		e.SetLost(false)
		if b.ready == 1 {
			b.publish()
		} else {
			b.publishSoon()
		}
	case was == connectivity.Ready:
		e.SetLost(true)
		b.publishLoss()
	case b.ready == 0:
		b.publish()
	}
	b.mu.Unlock()
	b.notify([]observe.EndpointChange{event})
}

// count keeps ready and failing.
func (b *fleet) count(s connectivity.State, n int) {
	switch s {
	case connectivity.Ready:
		b.ready += n
	case connectivity.TransientFailure:
		b.failing += n
	default: // only these two are counted
	}
}

// publishSoon publishes after the coalescing time. mu is held.
func (b *fleet) publishSoon() {
	if b.timer != nil {
		return
	}
	b.timer = time.AfterFunc(coalesce, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.closed && b.timer != nil {
			b.publish()
		}
	})
}

// publishLoss makes a lost endpoint known at once: a call that picked it waits
// in grpc-go for the next picker. The picker in use passes over lost endpoints
// already, so its copy will do until one is built without them; the loss of
// half a fleet then costs little. mu is held.
func (b *fleet) publishLoss() {
	p := b.channel.ready.Load()
	if p == nil || b.ready == 0 {
		b.publish()
		return
	}
	again := *p
	b.channel.ready.Store(&again)
	b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.Ready, Picker: &again})
	b.publishSoon()
}

// publish gives grpc-go the picker for the present state. mu is held.
func (b *fleet) publish() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	state := balancer.State{ConnectivityState: connectivity.Connecting, Picker: waitPicker{}}
	var p *picker
	switch {
	case b.ready > 0:
		p = b.picker()
		state = balancer.State{ConnectivityState: connectivity.Ready, Picker: p}
	case len(b.endpoints) == 0 && b.resolver != nil:
		state = balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: failPicker{b.resolver}}
	case len(b.endpoints) > 0 && b.failing == len(b.endpoints):
		state = balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: failPicker{
			fmt.Errorf("none of the %d endpoints can be connected; the last error: %w", len(b.endpoints), b.lastErr),
		}}
	}
	b.channel.ready.Store(p)
	b.cc.UpdateState(state)
}

func (b *fleet) picker() *picker {
	p := &picker{endpoints: make([]*endpoint, 0, b.ready)}
	engine := make([]*balance.Endpoint, 0, b.ready)
	for _, e := range b.endpoints {
		if e.state == connectivity.Ready {
			p.endpoints = append(p.endpoints, e)
			engine = append(engine, &e.Endpoint)
		}
	}
	p.engine = balance.NewRoundRobin(engine, &b.channel.turn)
	return p
}

// ResolverError fails calls only while there is no endpoint at all.
func (b *fleet) ResolverError(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.channel == nil || b.closed || len(b.endpoints) > 0 {
		return
	}
	b.resolver = fmt.Errorf("no endpoints of %s: %v", b.channel.cfg.Target, err) //nolint:errorlint // see failPicker
	b.publish()
}

// UpdateSubConnState is never called: every sub-connection has a listener.
func (b *fleet) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle connects what is idle.
func (b *fleet) ExitIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.endpoints {
		if e.state == connectivity.Idle {
			e.conn.Connect()
		}
	}
}

// Close stops the timer. grpc-go closes the connections itself.
func (b *fleet) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if b.channel != nil {
		b.channel.ready.Store(nil)
	}
}

func (b *fleet) change(e *endpoint, from, to string, err error) observe.EndpointChange {
	return observe.EndpointChange{Target: b.channel.cfg.Target, Endpoint: e.addr, From: from, To: to, Err: err}
}

func (b *fleet) notify(events []observe.EndpointChange) {
	hook := b.channel.cfg.Observer.Endpoint
	if hook == nil {
		return
	}
	for _, e := range events {
		hook(e)
	}
}

func word(s connectivity.State) string { return strings.ToLower(s.String()) }
