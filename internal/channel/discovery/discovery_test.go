package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
}

func (c *fakeChannel) UpdateState(s resolver.State) error {
	all := make([]string, 0, len(s.Endpoints))
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
	return c.refusal
}

func (c *fakeChannel) ReportError(err error) { c.note("error: " + err.Error()) }

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

func TestNewEndpointWithinTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(5*time.Second, "10.0.0.2", "10.0.0.1", "fd00::1")
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80 10.0.0.2:80 [fd00::1]:80")
		for i := range 50 {
			pass(t, time.Duration(i)*97*time.Millisecond)
			cc.take()
			ip := fmt.Sprintf("10.0.1.%d", i)
			f.say(5*time.Second, "10.0.0.1", ip)
			pass(t, 5*time.Second)
			if got := cc.take(); len(got) == 0 || !strings.Contains(strings.Join(got, " "), ip+":80") {
				t.Fatalf("after one TTL the channel was told %q, without %s", got, ip)
			}
		}
	})
}

func TestLeavesAfterTwoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(time.Second, "10.0.0.1", "10.0.0.2")
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80 10.0.0.2:80")
		f.say(time.Second, "10.0.0.1")
		pass(t, 1500*time.Millisecond)
		cc.want(t)
		pass(t, time.Second)
		cc.want(t, "10.0.0.1:80")
		// Without news the channel is left alone: an update costs it more than us.
		pass(t, time.Hour)
		cc.want(t)
	})
}

// TestFailuresKeepTheSet is promise P10: after a first good answer nothing that
// DNS does is told to the channel, for hours.
func TestFailuresKeepTheSet(t *testing.T) {
	for name, failure := range map[string]error{
		"time-out": &dns.Error{Kind: dns.Timeout}, "SERVFAIL": &dns.Error{Kind: dns.ServFail},
		"NXDOMAIN": &dns.Error{Kind: dns.NXDomain}, "any": errors.New("?"), "empty": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, cc := &fakeDNS{}, &fakeChannel{}
				f.say(5*time.Second, "10.0.0.1")
				r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test:80", cc)
				defer r.Close()
				cc.want(t, "10.0.0.1:80")
				f.set(dns.Answer{}, failure)
				pass(t, 3*time.Hour)
				cc.want(t)
				// With the TTL as the bound of the backoff, half of it on average.
				if n := f.count(); n < 3*3600/5 || n > 3*3600 {
					t.Errorf("%d look-ups in 3 h", n)
				}
				f.say(5*time.Second, "10.0.0.1", "10.0.0.2")
				pass(t, 5*time.Second)
				cc.want(t, "10.0.0.1:80 10.0.0.2:80")
			})
		})
	}
}

func TestNeverAGoodAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.set(dns.Answer{}, &dns.Error{Kind: dns.NXDomain, Name: "svc.test.", Type: "A", Server: "10.0.0.53:53"})
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test", cc)
		defer r.Close()
		pass(t, time.Minute)
		got := cc.take()
		const text = `error: dns: look up "svc.test." A at 10.0.0.53:53: NXDOMAIN`
		if len(got) != f.count() || len(got) < 12 || slices.ContainsFunc(got, func(s string) bool { return s != text }) {
			t.Errorf("%d look-ups, told %q", f.count(), got)
		}
		f.say(time.Second, "10.0.0.1")
		pass(t, 5*time.Second)
		cc.want(t, "10.0.0.1:443")
	})
}

func TestResolveNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(time.Hour, "10.0.0.1")
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.take()
		pass(t, 10*time.Second)
		r.ResolveNow(resolver.ResolveNowOptions{})
		synctest.Wait()
		if n := f.count(); n != 2 {
			t.Fatalf("%d look-ups after a hint, want 2", n)
		}
		for range 1000 { // for 10 s
			r.ResolveNow(resolver.ResolveNowOptions{})
			pass(t, 10*time.Millisecond)
		}
		if n := f.count(); n < 11 || n > 13 {
			t.Errorf("%d look-ups after a storm of 10 s, want one a second", n-2)
		}
		// A hint during a look-up is answered by another one.
		pass(t, 10*time.Second)
		before := f.count()
		f.mu.Lock()
		f.delay = 300 * time.Millisecond
		f.mu.Unlock()
		r.ResolveNow(resolver.ResolveNowOptions{})
		pass(t, 100*time.Millisecond)
		r.ResolveNow(resolver.ResolveNowOptions{})
		pass(t, 5*time.Second)
		if n := f.count() - before; n != 2 {
			t.Errorf("%d look-ups, want 2", n)
		}
	})
}

func TestRefusedUpdateIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		cc.refuse(errors.New("no"))
		f.say(time.Hour, "10.0.0.1")
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test:80", cc)
		defer r.Close()
		pass(t, 30*time.Second)
		if got := cc.take(); len(got) < 5 || len(got) > 30 {
			t.Errorf("it was retried %d times in 30 s", len(got))
		}
		cc.refuse(nil)
		pass(t, time.Minute)
		cc.want(t, "10.0.0.1:80")
		pass(t, 4*time.Minute)
		cc.want(t)
	})
}

func TestTooStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(time.Second, "10.0.0.1")
		r := build(t, New(Config{Lookup: f.lookup, Cache: dnscache.Config{MaxStale: time.Minute}}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80")
		f.set(dns.Answer{}, errors.New("down"))
		pass(t, 59*time.Second)
		cc.want(t)
		pass(t, 10*time.Second)
		if got := cc.take(); len(got) < 2 || got[0] != "" || got[1] != "error: down" {
			t.Errorf("told %q, want no endpoints and the error", got)
		}
		f.say(time.Second, "10.0.0.1")
		pass(t, 5*time.Second)
		if got := cc.take(); got[len(got)-1] != "10.0.0.1:80" {
			t.Errorf("told %q", got)
		}
	})
}

// TestSilentFamily: what is not known about one family changes nothing.
func TestSilentFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(time.Second, "10.0.0.1", "fd00::1")
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80 [fd00::1]:80")
		f.set(dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, TTL: time.Second, NoIPv6: errors.New("lost")}, nil)
		pass(t, time.Minute)
		cc.want(t)
		f.set(dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("fd00::1")}, TTL: time.Second, NoIPv4: errors.New("lost")}, nil)
		pass(t, time.Minute)
		cc.want(t)
		f.say(time.Second, "10.0.0.1")
		pass(t, 5*time.Second)
		cc.want(t, "10.0.0.1:80")
	})
}

// TestAnotherNameOfTheSearchList: while the name that used to answer fails,
// another one in its place is not believed.
func TestAnotherNameOfTheSearchList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		good := dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, TTL: time.Second, Name: "svc.ns.test."}
		other := dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("10.6.6.6")}, TTL: time.Second, Name: "svc."}
		f.set(good, nil)
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80")
		unsure := other
		unsure.Skipped = errors.New("SERVFAIL")
		f.set(unsure, nil)
		pass(t, time.Minute)
		cc.want(t)
		f.set(other, nil) // the first name is denied: the service has moved
		pass(t, 5*time.Second)
		cc.want(t, "10.0.0.1:80 10.6.6.6:80", "10.6.6.6:80")
	})
}

func TestLookupTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{delay: time.Hour}, &fakeChannel{}
		r := build(t, New(Config{Lookup: f.lookup, LookupTimeout: 3 * time.Second}), "dns:///svc.test:80", cc)
		pass(t, 2*time.Second)
		cc.want(t)
		pass(t, 1100*time.Millisecond)
		cc.want(t, "error: context deadline exceeded")
		pass(t, time.Second)
		r.Close() // with a look-up under way
		n := f.count()
		pass(t, time.Hour)
		if f.count() != n {
			t.Error("it looked up after Close")
		}
	})
}

// TestShared: many channels, one look-up; none while there is no channel; and
// what was known is there when one comes back while DNS is down.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDNS{}
		f.say(5*time.Second, "10.0.0.1", "10.0.0.2")
		shared := NewShared(f.lookup)
		ccs, rs := make([]*fakeChannel, 0, 10), make([]resolver.Resolver, 0, 12)
		for i := range 10 {
			cc := &fakeChannel{}
			ccs = append(ccs, cc)
			rs = append(rs, build(t, New(Config{Shared: shared}), fmt.Sprintf("dns:///svc.test:%d", 1000+i), cc))
		}
		for i, cc := range ccs {
			cc.want(t, fmt.Sprintf("10.0.0.1:%d 10.0.0.2:%d", 1000+i, 1000+i))
		}
		if n := f.count(); n != 1 {
			t.Errorf("%d look-ups for 10 channels", n)
		}
		late := &fakeChannel{}
		r := build(t, New(Config{Shared: shared}), "dns:///svc.test:7", late)
		late.want(t, "10.0.0.1:7 10.0.0.2:7")
		if n := f.count(); n != 1 {
			t.Errorf("%d look-ups: a known name was looked up again", n)
		}
		apart := &fakeChannel{}
		other := build(t, New(Config{Shared: shared, Cache: dnscache.Config{MaxTTL: time.Second}}), "dns:///svc.test:8", apart)
		apart.want(t, "10.0.0.1:8 10.0.0.2:8")
		if n := f.count(); n != 2 {
			t.Errorf("%d look-ups: another configuration has look-ups of its own", n)
		}
		for _, r := range append(rs, r, other) {
			r.Close()
		}
		n := f.count()
		pass(t, time.Hour)
		if f.count() != n {
			t.Error("a name that nobody uses was looked up")
		}
		// It comes back while DNS is down: what was known is better than nothing.
		f.set(dns.Answer{}, errors.New("down"))
		back := &fakeChannel{}
		r = build(t, New(Config{Shared: shared}), "dns:///svc.test:9", back)
		back.want(t, "10.0.0.1:9 10.0.0.2:9")
		r.Close()
		pass(t, time.Hour)
		// And while DNS is up: what was known an hour ago is not used at all.
		f.say(5*time.Second, "10.0.0.2", "10.0.0.3")
		again := &fakeChannel{}
		r = build(t, New(Config{Shared: shared}), "dns:///svc.test:9", again)
		defer r.Close()
		again.want(t, "10.0.0.2:9 10.0.0.3:9")
	})
}

func TestIdleNamesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDNS{}
		f.say(5*time.Second, "10.0.0.1")
		shared := NewShared(f.lookup)
		for i := range 3 * maxIdle {
			cc := &fakeChannel{}
			r := build(t, New(Config{Shared: shared}), fmt.Sprintf("dns:///svc%d.test", i), cc)
			cc.want(t, "10.0.0.1:443")
			r.Close()
			pass(t, time.Second)
		}
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if n := len(shared.watches); n != maxIdle {
			t.Errorf("%d names are remembered, want %d", n, maxIdle)
		}
		for k := range shared.watches {
			if k.host == "svc0.test" {
				t.Error("the oldest name is remembered")
			}
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{delay: 20 * time.Millisecond}, &fakeChannel{}
		f.say(5*time.Second, "10.0.0.1", "10.0.0.2")
		f.answer.Server = "10.0.0.53:53"
		var mu sync.Mutex
		var got []string
		r := build(t, New(Config{
			Lookup: f.lookup,
			Random: func() uint64 { return 0 },
			OnUpdate: func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprintf("%s@%s: %d, +%v -%v, ttl %v, took %v, next %v, err %v: %s",
					e.Host, e.Server, e.Endpoints, e.Added, e.Removed, e.TTL, e.Took, e.Next, e.Err, e.Why))
			},
		}), "dns:///svc.test", cc)
		defer r.Close()
		pass(t, 3*time.Second)
		f.say(5*time.Second, "10.0.0.2", "10.0.0.3")
		pass(t, 5*time.Second)
		f.set(dns.Answer{}, errors.New("down"))
		pass(t, 4*time.Second)
		want := []string{
			"svc.test@10.0.0.53:53: 2, +[10.0.0.1 10.0.0.2] -[], ttl 5s, took 20ms, next 5s, err <nil>: answer: changed",
			"svc.test@: 3, +[10.0.0.3] -[], ttl 5s, took 20ms, next 5s, err <nil>: answer: changed",
			"svc.test@: 3, +[] -[], ttl 0s, took 20ms, next 0s, err down: failed: the last good answer stays",
		}
		mu.Lock()
		defer mu.Unlock()
		if len(got) < 3 || !slices.Equal(got[:3], want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got[:min(3, len(got))], "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestLiteralAndLocalhost(t *testing.T) {
	for target, want := range map[string]string{
		"dns:///10.0.0.1:80":    "10.0.0.1:80",
		"dns:10.0.0.1:80":       "10.0.0.1:80",
		"dns:///10.0.0.1":       "10.0.0.1:443",
		"dns:///[fd00::1]:80":   "[fd00::1]:80",
		"dns:///[fd00::1]":      "[fd00::1]:443",
		"dns:///fd00::1":        "[fd00::1]:443",
		"dns:///localhost:80":   "127.0.0.1:80|[::1]:80",
		"dns:///:80":            "127.0.0.1:80|[::1]:80",
		"dns://1.1.1.1/[::1]:5": "[::1]:5",
	} {
		synctest.Test(t, func(t *testing.T) {
			cc := &fakeChannel{}
			f := &fakeDNS{}
			f.say(time.Minute, "::1", "127.0.0.1")
			r := build(t, New(Config{Lookup: f.lookup}), target, cc)
			defer r.Close()
			r.ResolveNow(resolver.ResolveNowOptions{})
			if got := cc.take(); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: told %q, want %q", target, got, want)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		authority, endpoint string
		want                target
		fails               string
	}{
		{"", "svc.test:80", target{"", "svc.test", "80"}, ""},
		{"", "svc.test.", target{"", "svc.test.", "443"}, ""},
		{"", "svc.test:https", target{"", "svc.test", "443"}, ""},
		{"10.0.0.53", "svc:80", target{"10.0.0.53:53", "svc", "80"}, ""},
		{"10.0.0.53:5353", "svc:80", target{"10.0.0.53:5353", "svc", "80"}, ""},
		{"[fd00::53]", "svc:80", target{"[fd00::53]:53", "svc", "80"}, ""},
		{"[fd00::53]:54", "svc:80", target{"[fd00::53]:54", "svc", "80"}, ""},
		{"ns.test", "svc:80", target{"ns.test:53", "svc", "80"}, ""},
		{"", "", target{}, `target "dns:///": it names no host: write dns:///host:port`},
		{"", "svc.test:", target{}, "a colon without a port"},
		{"", "svc.test:0", target{}, "there is no port 0"},
		{"", "svc.test:65536", target{}, "there is no port 65536"},
		{"", "svc.test:nonesuch", target{}, `there is no port "nonesuch"`},
		{"", "a:b:c", target{}, "an IPv6 address as [::1]:port"},
		{"", "ns/svc:80", target{}, "dns://server/host:port"},
		{":53", "svc:80", target{}, "write dns://10.0.0.53/host:port"},
	} {
		got, err := parseTarget(c.authority, c.endpoint)
		switch {
		case c.fails == "" && (err != nil || got != c.want):
			t.Errorf("%q/%q: got %+v, %v, want %+v", c.authority, c.endpoint, got, err, c.want)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%q/%q: got %v, want %q", c.authority, c.endpoint, err, c.fails)
		}
	}
}

func BenchmarkEndpoints5000(b *testing.B) {
	addrs := make([]netip.Addr, 0, 5000)
	for i := range 5000 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	b.ReportAllocs()
	for b.Loop() {
		endpoints(addrs, "443")
	}
}
