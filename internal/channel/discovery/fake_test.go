package discovery

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

// A fakeDNS answers look-ups with what it was last told to.
type fakeDNS struct {
	mu     sync.Mutex
	answer dns.Answer
	err    error
	delay  time.Duration
	asked  []time.Time
}

func (f *fakeDNS) lookup(ctx context.Context, host string) (dns.Answer, error) {
	f.mu.Lock()
	answer, err, delay := f.answer, f.err, f.delay
	f.asked = append(f.asked, time.Now())
	f.mu.Unlock()
	if answer.Name == "" {
		answer.Name = host + "."
	}
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return dns.Answer{}, ctx.Err()
		}
	}
	return answer, err
}

func (f *fakeDNS) say(ttl time.Duration, ips ...string) {
	a := dns.Answer{TTL: ttl}
	for _, ip := range ips {
		a.Addrs = append(a.Addrs, netip.MustParseAddr(ip))
	}
	f.set(a, nil)
}

func (f *fakeDNS) set(a dns.Answer, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.err = a, err
}

func (f *fakeDNS) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// A fakeChannel is a resolver.ClientConn that keeps what it is told.
type fakeChannel struct {
	resolver.ClientConn

	mu      sync.Mutex
	log     []string
	at      []time.Time
	refusal error

	lettingGo int
	configs   int // service configs
}

func (c *fakeChannel) UpdateState(s resolver.State) error {
	all := make([]string, 0, len(s.Endpoints))
	for _, a := range s.Addresses {
		all = append(all, a.Addr)
	}
	for _, e := range s.Endpoints {
		one := make([]string, 0, len(e.Addresses))
		for _, a := range e.Addresses {
			one = append(one, a.Addr)
		}
		all = append(all, strings.Join(one, "|"))
	}
	c.note(strings.Join(all, " "))
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.ServiceConfig != nil {
		c.configs++
	}
	return c.refusal
}

func (c *fakeChannel) ReportError(err error) {
	c.note("error: " + err.Error())
	if _, ok := errors.AsType[*EmptiedError](err); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lettingGo++
	}
}

func (c *fakeChannel) serviceConfigs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.configs
}

// emptied returns how often the channel was told to let go of its endpoints.
func (c *fakeChannel) emptied() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lettingGo
}

func (c *fakeChannel) note(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, s)
	c.at = append(c.at, time.Now())
}

// take returns what came since the last time.
func (c *fakeChannel) take() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.log
	c.log = nil
	return log
}

func (c *fakeChannel) want(t *testing.T, want ...string) {
	t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("the channel was told %q, want %q", got, want)
	}
}

func (c *fakeChannel) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal = err
}

func build(t *testing.T, b resolver.Builder, target string, cc resolver.ClientConn) resolver.Resolver {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Build(resolver.Target{URL: *u}, cc, resolver.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pass lets virtual time pass.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
	synctest.Wait()
}
