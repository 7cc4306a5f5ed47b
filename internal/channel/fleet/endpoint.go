package fleet

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	attribute "github.com/surefoot-rpc/surefoot/endpoint"
	"github.com/surefoot-rpc/surefoot/internal/channel/discovery"
	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/ejection"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// An Endpoint is one resolved backend and its connection. What has no comment
// belongs to its balancer and is guarded by the balancer's mu.
type Endpoint struct {
	balance.Endpoint // atomics, for pickers

	balancer *fleetBalancer                    // constant
	addr     string                            // constant
	record   ejection.Record                   // what attempts said; atomics
	wire     atomic.Pointer[socket.Connection] // the connection of today

	// What an update and a new picker look at lies together: of a large fleet,
	// each cache line that they need not touch counts. (Eight bytes more, and an
	// endpoint takes 512 in place of 480.)
	found              resolver.Endpoint // as the resolver last said
	named              uint32            // the last update that named it
	group              atomic.Uint32     // its number
	state              connectivity.State
	leaving            bool // no longer listed, used until others can be
	ejected, suspected bool // as observers were told
	dialing            bool // counts among the connects that run
	queued             bool // waits to be among them

	next    *Endpoint        // with the same key
	conn    balancer.SubConn // constant once it is listed
	readyAt time.Duration    // when it last became ready, on the channel's clock
	waiting *time.Timer      // until it may connect, nil if it need not wait
}

// endpointKey is how a handshake finds the endpoint in the attributes of the
// address.
type endpointKey struct{}

// Equal makes endpoints comparable as values of attributes.
func (e *Endpoint) Equal(o any) bool { return e == o }

// newEndpoint returns an endpoint that is not connected.
func newEndpoint(b *fleetBalancer, found resolver.Endpoint) *Endpoint {
	e := &Endpoint{balancer: b, found: found, addr: discovery.OwnAddresses(found)[0].Addr}
	e.ID, e.Fleet, e.Owner = identify(found), b.load, e
	e.SetLost(true)
	if found.Attributes != nil {
		e.regroup(b.fleet)
	}
	return e
}

// endpointOf returns the endpoint that a picker's entry stands for.
func endpointOf(e *balance.Entry) *Endpoint { return e.Owner.(*Endpoint) } //nolint:forcetypeassert // see newEndpoint

// addresses returns what grpc-go is to connect to: the addresses, from which a
// handshake finds its way back.
func (e *Endpoint) addresses() []resolver.Address {
	addrs := slices.Clone(e.found.Addresses)
	for i := range addrs {
		addrs[i].Attributes = addrs[i].Attributes.WithValue(endpointKey{}, e)
	}
	return addrs
}

// weight returns the weight that the resolver gives, at least 1.
func (e *Endpoint) weight() uint32 { return max(attribute.Weight(e.found), 1) }

func (e *Endpoint) zone() string { return attribute.Zone(e.found) }

// Address returns the endpoint's own first address, for people.
func (e *Endpoint) Address() string { return e.addr }

// Connection returns the connection of today, nil before the first.
func (e *Endpoint) Connection() *socket.Connection { return e.wire.Load() }

// SubConn returns what grpc-go is to send an attempt on.
func (e *Endpoint) SubConn() balancer.SubConn { return e.conn }

// Group returns the number of the group that the endpoint is in, 0 for none.
func (e *Endpoint) Group() uint32 { return e.group.Load() }

// regroup numbers the group that the resolver says. mu is held.
func (e *Endpoint) regroup(f *Fleet) {
	n, err := f.groups.number(attribute.Group(e.found))
	if err != nil {
		f.cfg.Problem(err)
	}
	e.group.Store(n)
}

// CheckSoon has the endpoint's connection looked at soon. It is called when an
// attempt is sent that wakes a sleeping watch.
func (e *Endpoint) CheckSoon() { e.balancer.checkSoon() }

// Ask has a connection of the endpoint probed. wire may be nil.
func (e *Endpoint) Ask(wire *socket.Connection) {
	if wire != nil && wire.Life.Ask() {
		e.CheckSoon()
	}
}

// Testify tells the endpoint what the end of an attempt on it says of it. now is on
// the channel's clock; latency may be ejection.Untimed.
func (e *Endpoint) Testify(now time.Duration, v outcome.Evidence, latency time.Duration) {
	if e.record.Add(now, v, latency) {
		e.balancer.sweepSoon()
	}
}

// ready reports whether the endpoint has a connection.
func (e *Endpoint) ready() bool { return e.state == connectivity.Ready }

// key is what endpoints are looked up by: their own addresses, also behind a
// proxy. Endpoints that differ in attributes of addresses alone share it.
func key(f resolver.Endpoint) string {
	addrs := discovery.OwnAddresses(f)
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
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if x.Addr != y.Addr || x.ServerName != y.ServerName ||
			x.Attributes != y.Attributes && !x.Attributes.Equal(y.Attributes) {
			return false
		}
	}
	return true
}
