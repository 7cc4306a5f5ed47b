// Package fleet drives the endpoints of a channel: it connects them, watches their
// connections, takes out those that fail, and picks one for each attempt. It is
// grpc-go's balancer, and knows nothing of calls: what a pick is for it is told, and so
// is how an attempt on an endpoint ended.
package fleet

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/surefoot-rpc/surefoot/internal/engine/subset"
	"github.com/surefoot-rpc/surefoot/observe"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Config is what a fleet is made of. All is required but the zone and the name.
type Config struct {
	// Target is what the client dials.
	Target string
	// Policy is what the contract says of the channel.
	Policy policy.Channel
	// Zone is the zone that the client is in, "" if it does not know.
	Zone string
	// Name tells the client from others of its kind and survives its restarts;
	// "" if there is none. Ordinal says that it is that one of its kind, and is
	// negative if it does not know.
	Name    string
	Ordinal int
	// Epoch is when the channel's clock read zero.
	Epoch time.Time
	// Random is a source of random numbers, safe for concurrent use.
	Random func() uint64
	// Picker returns what grpc-go asks for endpoints. It picks them from p; if that is
	// nil no endpoint is ready, and calls fail with err, or wait if that is nil too. err
	// wraps no status: grpc-go would end with that calls that wait for ready, too.
	Picker func(p *Picker, err error) balancer.Picker
	// Changed is told what becomes of endpoints, Problem what is wrong. They are
	// called in order, with locks held, and must not block.
	Changed func(observe.EndpointChange)
	Problem func(error)
}

// A Fleet is the endpoints of one channel, as its calls see them. It outlives
// balancers. Its methods may be called from any goroutine.
type Fleet struct {
	cfg      Config
	identity subset.Identity

	// ready is the picker in use, nil while no endpoint is ready.
	ready     atomic.Pointer[Picker]
	readiness readiness
	// repeatable is when a call was made that may be repeated, to the second.
	repeatable atomic.Int64

	groups groups
	// turn is where round robin stands. Each pick writes it: the names of the groups
	// keep it apart from what picks read.
	turn atomic.Uint64
}

// New returns the fleet that cfg describes. It has endpoints once grpc-go
// has built a balancer with its credentials.
func New(cfg Config) *Fleet {
	f := &Fleet{cfg: cfg, identity: identity(cfg)}
	f.turn.Store(cfg.Random())
	return f
}

// Picker returns the picker in use, nil while no endpoint is ready.
func (f *Fleet) Picker() *Picker { return f.ready.Load() }

// Changed returns what is closed when an endpoint is ready. Ask for it before
// the picker.
func (f *Fleet) Changed() <-chan struct{} { return f.readiness.watch() }

// Why says why no endpoint is ready.
func (f *Fleet) Why() string { return f.readiness.why() }

// Note notes why no endpoint may be ready: a look-up failed.
func (f *Fleet) Note(err error) { f.readiness.note(err) }

// RepeatableSeen notes that a call was made that may be repeated, to the second.
// now is on the channel's clock.
func (f *Fleet) RepeatableSeen(now time.Duration) {
	if int64(now)-f.repeatable.Load() > int64(time.Second) {
		f.repeatable.Store(int64(now))
	}
}

// Groups returns the groups that have a connection, a bit for each, the lowest
// for the endpoints of no group.
func (f *Fleet) Groups() uint64 { return f.groups.present.Load() }

// GroupName returns the name of the group with this number.
func (f *Fleet) GroupName(n uint32) string { return f.groups.names[n] }

// clock returns the time since the epoch.
func (f *Fleet) clock() time.Duration { return time.Since(f.cfg.Epoch) }
