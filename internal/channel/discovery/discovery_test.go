package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		pass(t, 250*time.Millisecond) // jitter
		if n := f.count(); n != 2 {
			t.Fatalf("%d look-ups after a hint, want 2", n)
		}
		for range 1000 { // for 10 s
			r.ResolveNow(resolver.ResolveNowOptions{})
			pass(t, 10*time.Millisecond)
		}
		if n := f.count(); n < 10 || n > 13 {
			t.Errorf("%d look-ups after a storm of 10 s, want one a second", n-2)
		}
		// A hint during a look-up is answered by another one.
		pass(t, 10*time.Second)
		before := f.count()
		f.mu.Lock()
		f.delay = 600 * time.Millisecond
		f.mu.Unlock()
		r.ResolveNow(resolver.ResolveNowOptions{})
		pass(t, 300*time.Millisecond)
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
		r := build(t, New(Config{Lookup: f.lookup, Policy: Policy{MaxStale: time.Minute}}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80")
		f.set(dns.Answer{}, errors.New("down"))
		pass(t, 59*time.Second)
		cc.want(t)
		pass(t, 10*time.Second)
		// The balancer is told to let go of what it has, and then why that is not
		// replaced.
		got := cc.take()
		if len(got) < 2 || got[0] != "error: the last good answer is too old to use: down" || got[1] != "error: down" {
			t.Errorf("told %q", got)
		}
		if emptied := cc.emptied(); emptied != 1 {
			t.Errorf("told %d times to let go, want once", emptied)
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
		f.set(dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, TTL: time.Second, NoIPv6: errors.New("lost")}, nil)
		pass(t, time.Minute)
		cc.want(t, "10.0.0.1:80 10.0.0.2:80 [fd00::1]:80", "10.0.0.2:80 [fd00::1]:80")
		f.set(dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("fd00::1")}, TTL: time.Second, NoIPv4: errors.New("lost")}, nil)
		pass(t, time.Minute)
		cc.want(t)
		f.say(time.Second, "10.0.0.2")
		pass(t, 5*time.Second)
		cc.want(t, "10.0.0.2:80")
	})
}

// TestAnotherNameOfTheSearchList: while the name that used to answer fails,
// another one in its place is not believed.
func TestAnotherNameOfTheSearchList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		good := dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, TTL: time.Second, Name: "svc.ns.test.", Rank: 1}
		other := dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("10.6.6.6")}, TTL: time.Second, Name: "svc.", Rank: 2}
		f.set(good, nil)
		r := build(t, New(Config{Lookup: f.lookup}), "dns:///svc:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80")
		unsure := other
		unsure.Skipped = errors.New("SERVFAIL")
		f.set(unsure, nil)
		pass(t, time.Minute)
		cc.want(t)
		f.set(other, nil) // the name is denied, and a wildcard further down is not
		pass(t, time.Minute)
		cc.want(t)
		other.Rank = 0 // a name that comes before it: the service has moved
		f.set(other, nil)
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
