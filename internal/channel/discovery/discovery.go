// Package discovery is the resolver of "dns" targets: it looks a name up, keeps
// looking it up as its TTL asks for, and tells grpc-go when the addresses
// change. What it decides is in package dnscache, how it asks in package dns.
// Resolvers of other schemes work under [Wrap].
//
// What differs from grpc-go's own "dns" resolver: it honours TTLs, asks without
// waiting for a connection to be lost, keeps the last good answer whatever goes
// wrong, never sends an empty list while it has one to keep, and asks for no
// service config. Under HTTPS_PROXY grpc-go would leave the name to the proxy:
// channels pass grpc.WithLocalDNSResolution so that this resolver is used and
// the proxy is told an address.
package discovery

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

// Config says how names are looked up. The zero Config asks the host's DNS.
type Config struct {
	// Policy says how often, and how long an old answer is kept.
	Policy Policy
	// LookupTimeout bounds one look-up over all servers and the whole search
	// list. Zero is 20 s: two rounds over three silent servers take 12 s.
	LookupTimeout time.Duration
	// Lookup looks a name up. Nil is DNS, at the server that the target names.
	// It is called from many goroutines and must return when ctx ends. Targets
	// that name a server ignore that they do when Lookup is set.
	Lookup func(ctx context.Context, host string) (dns.Answer, error)
	// LookupService does the same for the name of a service. Nil is DNS.
	LookupService func(ctx context.Context, host string) (dns.Services, error)
	// Shared holds the names that are looked up once for all channels that have
	// the same Shared. Nil is that of the process, or one of the builder's own if
	// Lookup or LookupService is set. With a Shared those two are not used.
	Shared *Shared
	// Waker is told of the channel's calls: while there are none, the name is not
	// looked up. Nil is a channel that is never idle. A Waker belongs to one
	// channel.
	Waker *Waker
	// Idle reports, beside Waker, that no call is in flight. Nil is that calls in
	// flight do not matter: only one that begins keeps the channel awake. It runs
	// with locks held: it must return at once.
	Idle func() bool
	// Random is a source of random numbers, safe for concurrent use. Nil is
	// math/rand/v2. Of channels that share a name, the first one's is used.
	Random func() uint64
	// OnUpdate is told of each look-up of the channel's name. It runs on the
	// goroutine that looks up: it must return soon and must not close the
	// channel. When a name is shared it may run a last time while the channel is
	// being closed. Nil is nobody.
	OnUpdate func(Event)
}

// A Policy is what a contract may say of discovery. The zero Policy is the
// defaults. It is comparable.
type Policy struct {
	// MinTTL and MaxTTL bound the time between two planned look-ups, whatever the
	// TTL. Zero is 1 s and 5 min.
	MinTTL, MaxTTL time.Duration
	// MaxStale is how long the last good answer is used when no good one follows.
	// Zero is for ever. After it the channel is told an [*EmptiedError].
	MaxStale time.Duration
}

func (p Policy) cache() dnscache.Config {
	return dnscache.Config{MinTTL: p.MinTTL, MaxTTL: p.MaxTTL, MaxStale: p.MaxStale}
}

// An EmptiedError tells a balancer, in ResolverError, that the endpoints that it
// has must not be used any more: nothing has confirmed them for longer than
// [Policy.MaxStale]. Any other error leaves them in use.
//
// It is an error and not an empty update, because an empty update is what a
// broken registry sends: a balancer that refuses those is safe from all of them.
type EmptiedError struct {
	// Err is why the last look-up failed.
	Err error
}

// Error says both.
func (e *EmptiedError) Error() string {
	return "the last good answer is too old to use: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *EmptiedError) Unwrap() error { return e.Err }

// An Event is one look-up of a channel's name.
type Event struct {
	// Host is the name that was looked up, as the target has it.
	Host string
	// Server is the DNS server that answered, "" if none did or none had to.
	Server string
	// Endpoints is how many addresses are in use now.
	Endpoints int
	// Added and Removed are the records by which the set changed. They must not
	// be modified.
	Added, Removed []dnscache.Record
	// TTL is what the answer said, 0 if there was none.
	TTL time.Duration
	// Took is how long the look-up took, Next how long until the next one.
	Took, Next time.Duration
	// Err is why there was no answer, nil if there was one. If Endpoints is not
	// 0 the last good answer stays in use.
	Err error
	// Why says in a few words what was decided.
	Why string
}

// New returns the builder of resolvers for the scheme "dns". [Builders] returns
// it beside what other schemes need.
func New(cfg Config) resolver.Builder {
	switch {
	case cfg.Shared != nil:
	case cfg.Lookup == nil && cfg.LookupService == nil:
		cfg.Shared = process
	default:
		cfg.Shared = NewShared()
		cfg.Shared.lookup, cfg.Shared.lookupService = cfg.Lookup, cfg.LookupService
	}
	if cfg.LookupTimeout <= 0 {
		cfg.LookupTimeout = 20 * time.Second
	}
	if cfg.Random == nil {
		cfg.Random = rand.Uint64
	}
	if cfg.OnUpdate == nil {
		cfg.OnUpdate = func(Event) {}
	}
	return &builder{cfg}
}

type builder struct{ cfg Config }

// Scheme returns "dns".
func (*builder) Scheme() string { return dnsScheme }

// Build starts the resolver of target. It does not wait for a look-up.
func (b *builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	t, err := parseTarget(target.URL.Host, target.Endpoint())
	if err != nil {
		return nil, err
	}
	return start(t, cc, b.cfg), nil
}
