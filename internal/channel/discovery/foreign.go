package discovery

import (
	"net/url"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

// Builders returns the resolvers for a channel of target: ours for "dns", and
// the registered one of the target's own scheme under [Wrap]. Targets of xDS are
// left alone: its resolver brings a balancer of its own. Give them to one
// channel with grpc.WithResolvers.
func Builders(target string, cfg Config) []resolver.Builder {
	ours, _ := New(cfg).(*builder)
	u, err := url.Parse(target)
	if err == nil && u.Scheme == staticScheme {
		return []resolver.Builder{ours, static{}}
	}
	if err != nil || resolver.Get(u.Scheme) == nil {
		// grpc-go puts the default scheme before what names none that it knows.
		u, err = url.Parse(defaultScheme() + ":///" + target)
	}
	if err != nil {
		return []resolver.Builder{ours} // grpc-go will say what is wrong
	}
	t := resolver.Target{URL: *u}
	switch {
	case u.Scheme == ours.Scheme() && isService(t.Endpoint()):
		return []resolver.Builder{serviceBuilder{ours}}
	case u.Scheme == ours.Scheme(), u.Scheme == "xds":
		return []resolver.Builder{ours}
	}
	theirs := resolver.Get(u.Scheme)
	if theirs == nil {
		return []resolver.Builder{ours}
	}
	return []resolver.Builder{ours, Wrap(theirs, cfg)}
}

// defaultScheme is the scheme of targets that name none: that of grpc.NewClient,
// unless the program has set another one.
func defaultScheme() string {
	const ofDial = "passthrough" // what package resolver says when nothing was set
	if s := resolver.GetDefaultScheme(); s != ofDial {
		return s
	}
	return dnsScheme
}

// A serviceBuilder builds resolvers of targets that name a service.
type serviceBuilder struct{ *builder }

// OverrideAuthority returns the domain of the service, without its underscore
// labels: what a client asked for is what a certificate must say, not what DNS
// answered (RFC 6125 §6.2.1).
func (serviceBuilder) OverrideAuthority(t resolver.Target) string {
	name := t.Endpoint()
	for strings.HasPrefix(name, "_") {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return t.Endpoint()
		}
		name = rest
	}
	return strings.TrimSuffix(name, ".")
}

// Wrap returns b with our rules for what it tells a channel: an update without
// endpoints is refused, so that a broken registry empties nothing; and a service
// config is left out, because the contract says what it would. Of cfg OnUpdate
// is used alone: when to ask and what to believe is up to b.
func Wrap(b resolver.Builder, cfg Config) resolver.Builder {
	w := wrapper{Builder: b, onUpdate: cfg.OnUpdate}
	if w.onUpdate == nil {
		w.onUpdate = func(Event) {}
	}
	if a, ok := b.(resolver.AuthorityOverrider); ok {
		return authorityWrapper{w, a}
	}
	return w
}

type wrapper struct {
	resolver.Builder

	onUpdate func(Event)
}

// An authorityWrapper is of a Builder that overrides the authority, as that of
// unix sockets does.
type authorityWrapper struct {
	wrapper
	resolver.AuthorityOverrider
}

// Build builds the resolver under our rules.
func (w wrapper) Build(t resolver.Target, cc resolver.ClientConn, o resolver.BuildOptions) (resolver.Resolver, error) {
	return w.Builder.Build(t, &wrappedChannel{ClientConn: cc, host: t.Endpoint(), onUpdate: w.onUpdate}, o)
}

// A wrappedChannel is what a foreign resolver sees of the channel.
type wrappedChannel struct {
	resolver.ClientConn

	host      string
	onUpdate  func(Event)
	endpoints atomic.Int64 // of the last update that was taken
}

// UpdateState passes on a state with endpoints, without its service config.
func (c *wrappedChannel) UpdateState(s resolver.State) error {
	n := count(s)
	if n == 0 {
		c.event(dnscache.ErrEmpty, "empty update: refused")
		if c.endpoints.Load() == 0 {
			c.ClientConn.ReportError(dnscache.ErrEmpty)
		}
		return balancer.ErrBadResolverState
	}
	s.ServiceConfig = nil
	if s.Endpoints == nil { // as grpc-go does, which is too late
		for _, a := range s.Addresses {
			e := resolver.Endpoint{Addresses: []resolver.Address{a}, Attributes: a.BalancerAttributes} //nolint:staticcheck // what it was for
			e.Addresses[0].BalancerAttributes = nil                                                    //nolint:staticcheck // same
			s.Endpoints = append(s.Endpoints, e)
		}
	}
	if err := c.ClientConn.UpdateState(noted(s)); err != nil {
		return err
	}
	c.endpoints.Store(int64(n))
	c.event(nil, "update")
	return nil
}

// NewAddress is the old way to say the same.
func (c *wrappedChannel) NewAddress(addresses []resolver.Address) {
	_ = c.UpdateState(resolver.State{Addresses: addresses}) // it has no way to hear of an error
}

// ReportError passes an error on. A balancer with endpoints keeps them.
func (c *wrappedChannel) ReportError(err error) {
	c.event(err, "failed")
	c.ClientConn.ReportError(err)
}

func (c *wrappedChannel) event(err error, why string) {
	c.onUpdate(Event{Host: c.host, Endpoints: int(c.endpoints.Load()), Err: err, Why: why})
}

// count returns how many endpoints s has that can be connected.
func count(s resolver.State) int {
	if s.Endpoints == nil {
		return len(s.Addresses)
	}
	n := 0
	for _, e := range s.Endpoints {
		if len(e.Addresses) > 0 {
			n++
		}
	}
	return n
}
