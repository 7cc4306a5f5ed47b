package discovery

import (
	"context"
	"sync"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/dns"
	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

// maxUnused is how many names that nobody uses are remembered, so that a channel
// that comes back while DNS is down finds what was last known.
const maxUnused = 64

// Shared holds names that are looked up once for all channels that use them.
// Channels that give a name another [Config.Policy] or another DNS server do
// not share it. It may be used from any goroutine; it holds nothing that must
// be closed: a name is looked up while a channel uses it and no longer.
type Shared struct {
	lookup        func(ctx context.Context, host string) (dns.Answer, error)   // nil is DNS
	lookupService func(ctx context.Context, host string) (dns.Services, error) // nil is DNS

	mu        sync.Mutex // guards what follows; may be held while taking a watch's mu
	watches   map[watchKey]*watch
	resolvers map[string]*dns.Resolver // by the DNS server, "" for the host's own
}

// A watchKey is what channels must have in common to share a look-up.
type watchKey struct {
	server, host string
	service      bool // look for SRV records
	policy       Policy
	timeout      time.Duration
}

// process is the cache of this process. It holds no goroutine while no channel
// uses it.
var process = NewShared()

// NewShared returns an empty Shared, which asks DNS.
func NewShared() *Shared {
	return &Shared{watches: map[watchKey]*watch{}, resolvers: map[string]*dns.Resolver{}}
}

// join makes r a user of its name and starts the look-ups if it is the first.
func (s *Shared) join(r *channelResolver, k watchKey) *watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watches[k]
	if w == nil {
		w = &watch{
			host:    k.host,
			timeout: k.timeout,
			lookup:  s.lookupFor(k),
			random:  r.cfg.Random,
			users:   map[*channelResolver]struct{}{},
			entry:   dnscache.New(k.policy.cache()),
		}
		s.watches[k] = w
	}
	w.add(r)
	return w
}

// leave ends that and, if r was the last, the look-ups: when it returns they
// have ended.
func (s *Shared) leave(r *channelResolver, w *watch) {
	s.mu.Lock()
	ended := w.remove(r)
	if ended != nil {
		s.forgetUnused()
	}
	s.mu.Unlock()
	if ended != nil {
		<-ended
		w.forget(ended)
	}
}

// lookupFor returns what looks the name of k up. s.mu is held.
func (s *Shared) lookupFor(k watchKey) func(context.Context) (found, error) {
	if k.service {
		lookup := s.lookupService
		if lookup == nil {
			lookup = s.resolver(k.server).LookupService
		}
		return func(ctx context.Context) (found, error) {
			a, err := lookup(ctx, k.host)
			return services(a), err
		}
	}
	lookup := s.lookup
	if lookup == nil {
		lookup = s.resolver(k.server).Lookup
	}
	return func(ctx context.Context) (found, error) {
		a, err := lookup(ctx, k.host)
		return addresses(a), err
	}
}

// resolver returns the one that asks server. s.mu is held.
func (s *Shared) resolver(server string) *dns.Resolver {
	r := s.resolvers[server]
	if r == nil {
		r = dns.New(dns.Config{Server: server})
		s.resolvers[server] = r
	}
	return r
}

// forgetUnused forgets the name that has had no user for longest, if too many
// have none. s.mu is held.
func (s *Shared) forgetUnused() {
	idle := 0
	var oldest watchKey
	var since time.Time
	for k, w := range s.watches {
		at, unused := w.unusedSince()
		if !unused {
			continue
		}
		if idle == 0 || at.Before(since) {
			oldest, since = k, at
		}
		idle++
	}
	if idle > maxUnused {
		delete(s.watches, oldest)
	}
}
