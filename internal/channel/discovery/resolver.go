package discovery

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A channelResolver tells one channel what is known about its name. Its own
// goroutine does, because telling a channel can take as long as its balancer
// takes, and must not hold up the look-ups that other channels share.
type channelResolver struct {
	target target
	cc     resolver.ClientConn
	cfg    Config
	watch  *watch   // nil if the target is an address
	fixed  snapshot // what is known then

	changed chan struct{} // holds the news that the goroutine has not seen
	cancel  context.CancelFunc
	ended   chan struct{}

	// Of the goroutine.
	told uint64 // the version that the channel has
}

// Retries of an update that the channel did not take, with full jitter. They
// are seldom of use: what it did not take is mostly a matter of configuration.
const (
	retryBase = 100 * time.Millisecond
	retryMax  = 30 * time.Second
)

func start(t target, cc resolver.ClientConn, cfg Config) *channelResolver {
	ctx, cancel := context.WithCancel(context.Background())
	r := &channelResolver{
		target:  t,
		cc:      cc,
		cfg:     cfg,
		changed: make(chan struct{}, 1),
		cancel:  cancel,
		ended:   make(chan struct{}),
	}
	if addr, err := netip.ParseAddr(t.host); err == nil {
		r.fixed = snapshot{version: 1, records: []dnscache.Record{{Addr: addr}}}
		r.wake()
	} else {
		r.watch = cfg.Shared.join(r, watchKey{
			server: t.server, host: t.host, service: t.service, policy: cfg.Policy, timeout: cfg.LookupTimeout,
		})
	}
	go r.run(ctx)
	return r
}

// ResolveNow hints that the addresses may be out of date. It never blocks.
func (r *channelResolver) ResolveNow(resolver.ResolveNowOptions) {
	if r.watch != nil {
		r.watch.resolveNow()
	}
}

// Close ends the resolver: when it returns its goroutine has ended and, if no
// other channel uses the name, the look-ups too.
func (r *channelResolver) Close() {
	r.cancel()
	<-r.ended
	if r.watch != nil {
		r.cfg.Shared.leave(r, r.watch)
		r.cfg.Waker.release(r)
	}
}

// wake has the goroutine look at the snapshot. It never blocks.
func (r *channelResolver) wake() {
	select {
	case r.changed <- struct{}{}:
	default: // it will look anyway
	}
}

func (r *channelResolver) run(ctx context.Context) {
	defer close(r.ended)
	retry := time.NewTimer(retryMax)
	retry.Stop()
	defer retry.Stop()
	failures := 0
	for {
		retrying := false
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		case <-retry.C:
			retrying = true
		}
		now := r.fixed
		if r.watch != nil {
			now = r.watch.snapshot()
		}
		if now.version == r.told && !retrying {
			continue
		}
		if now.version != r.told {
			failures = 0
		}
		retry.Stop()
		if r.tell(now) != nil {
			retry.Reset(policy.Backoff{Base: retryBase, Max: retryMax}.Delay(failures, r.cfg.Random()))
			failures++
		}
		r.told = now.version
	}
}

// tell gives the channel a snapshot. The error says that it did not take it.
func (r *channelResolver) tell(s snapshot) error {
	switch {
	case len(s.records) > 0:
		return r.cc.UpdateState(noted(resolver.State{Endpoints: endpoints(s.records, r.target.port)}))
	case s.emptied:
		r.cc.ReportError(&EmptiedError{s.err})
	default:
		r.cc.ReportError(s.err)
	}
	return nil
}
