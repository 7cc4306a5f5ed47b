// Package channel drives the client's side: it carries out on grpc-go what the
// engine decides. It owns the interceptors of a channel, its calls and their
// timers. The packages below it own the rest: its endpoints (fleet), its
// names (discovery) and the operator's file (overrides).
package channel

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/internal/channel/discovery"
	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/channel/overrides"
	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/observe"
)

// Config is what a channel is made of.
type Config struct {
	// Target is what the client dials.
	Target string
	// Table is the compiled contract.
	Table *contract.Table
	// Credentials secure the connections. Required.
	Credentials credentials.TransportCredentials
	// Observers see what happens. A nil hook is skipped.
	Observer observe.Observer
	// Unary and Stream are the user's interceptors that run for each attempt.
	Unary  []grpc.UnaryClientInterceptor
	Stream []grpc.StreamClientInterceptor
	// Dial are the user's dial options. Their interceptors run once per call.
	Dial []grpc.DialOption
	// Zone is the zone that the client is in, "" if it does not know.
	Zone string
	// Name tells the client from others of its kind and survives its restarts;
	// "" if there is none. Ordinal says that it is that one of its kind, and is
	// negative if it does not know.
	Name    string
	Ordinal int
	// CallError attaches the story of a failed call to the error that ended it.
	CallError func(c observe.Call) error
	// Random is a source of random numbers, safe for concurrent use.
	Random func() uint64
}

// A Channel is the state that the interceptors, the balancer and the resolver
// of one client share. Its methods may be called from any goroutine.
type Channel struct {
	cfg    Config
	budget *attempt.Budget
	xds    bool // xDS balances, not we
	light  bool // attempts need no context of their own to be cancelled
	// closed says that the owner closes the client; closing is closed then.
	closed  atomic.Bool
	epoch   time.Time // when its clock read zero
	closing chan struct{}

	methods  methods
	timeouts *timeouts.Lists // of attempts
	calls    sync.Pool       // of callStates, all zero

	// fleet is its endpoints.
	fleet *fleet.Fleet
	// news is what observers are yet to be told.
	news news
	// waker keeps the names up to date while there are calls.
	waker discovery.Waker
}

// New returns the channel that cfg describes.
func New(cfg Config) *Channel {
	epoch := time.Now().Add(-1)
	c := &Channel{
		cfg:      cfg,
		closing:  make(chan struct{}),
		epoch:    epoch,
		timeouts: timeouts.New(epoch),
		light:    cancelKey != nil && len(cfg.Unary) == 0,
		xds:      strings.HasPrefix(strings.ToLower(cfg.Target), "xds:"),
		budget:   attempt.NewBudget(cfg.Table.Channel.Budget, 1),
	}
	c.methods.channel = c
	c.methods.use(cfg.Table)
	c.fleet = fleet.New(fleet.Config{
		Target: cfg.Target, Policy: cfg.Table.Channel, Zone: cfg.Zone, Name: cfg.Name, Ordinal: cfg.Ordinal,
		Epoch: epoch, Random: cfg.Random, Picker: pickerOf,
		Changed: c.endpointChanged,
		Problem: func(err error) { c.later(func() { c.problem(err) }) },
	})
	return c
}

// CheckTarget returns why a client of target could never make a call. others
// says that it may have resolvers of its own.
func CheckTarget(target string, others bool) error { return discovery.Check(target, others) }

// Close says that the client's owner closes it: calls that fail from now on
// are not repeated, and those that wait for a repeat end with the error that
// they have.
func (c *Channel) Close() {
	if !c.closed.Swap(true) {
		close(c.closing)
	}
}

// Watch uses the overrides in a file from now on, and what becomes of them,
// until the channel is closed. compile returns the table of the channel with
// these overrides. The error is that of a file that is there and is wrong.
func (c *Channel) Watch(source contract.OverrideSource, compile func(*contract.Overrides) (*contract.Table, error)) error {
	return overrides.Watch(overrides.Config{Source: source, Compile: compile, Use: c.methods.use, Tell: func(o observe.Override) {
		if hook := c.cfg.Observer.Override; hook != nil {
			o.Target, o.File = c.cfg.Target, source.Path
			hook(o)
		}
	}}, c.closing)
}

// discovery returns how the channel's names are looked up.
func (c *Channel) discovery() discovery.Config {
	p := c.cfg.Table.Channel.Discovery
	return discovery.Config{
		Policy:   discovery.Policy{MinTTL: p.MinTTL, MaxTTL: p.MaxTTL, MaxStale: p.MaxStale},
		Waker:    &c.waker,
		Random:   c.cfg.Random,
		OnUpdate: c.discovered,
	}
}

// endpointChanged tells the observer of an endpoint.
func (c *Channel) endpointChanged(e observe.EndpointChange) {
	if hook := c.cfg.Observer.Endpoint; hook != nil {
		c.later(func() { hook(e) })
	}
}

// discovered tells the observer of a look-up.
func (c *Channel) discovered(e discovery.Event) {
	if e.Err != nil && e.Endpoints == 0 {
		c.fleet.Note(e.Err)
	}
	if hook := c.cfg.Observer.Discovery; hook != nil {
		c.later(func() {
			hook(observe.Discovery{Target: c.cfg.Target, Host: e.Host, Endpoints: e.Endpoints, TTL: e.TTL, Err: e.Err})
		})
	}
}

// clock returns the time since the channel was made, which is never zero.
func (c *Channel) clock() time.Duration { return time.Since(c.epoch) }

// at returns what the clock reads at t, which is never zero. One that was read off
// a wall is as long from now as that wall says.
func (c *Channel) at(t time.Time) time.Duration {
	d := t.Sub(c.epoch)
	if t.Round(0) == t { //nolint:staticcheck // Equal does not tell that it has no monotonic reading
		d = c.clock() + time.Until(t)
	}
	if d == 0 {
		return -1
	}
	return d
}

// wall returns when the clock read d, as clocks on walls tell it now: they are set,
// and go on while the machine sleeps.
func (c *Channel) wall(d time.Duration) time.Time { return time.Now().Add(d - c.clock()) }

func (c *Channel) problem(err error) {
	if err != nil && c.cfg.Observer.Problem != nil {
		c.cfg.Observer.Problem(err)
	}
}
