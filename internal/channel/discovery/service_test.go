package discovery

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

// A fakeService answers look-ups of a service with what it was last told to.
type fakeService struct {
	mu     sync.Mutex
	answer dns.Services
	err    error
	asked  int // since it was told
}

func (f *fakeService) lookup(_ context.Context, host string) (dns.Services, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	a := f.answer
	a.Name = host + "."
	return a, f.err
}

func (f *fakeService) set(a dns.Services, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.TTL = time.Second
	f.answer, f.err, f.asked = a, err, 0
}

func (f *fakeService) answers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func target1(host string, weight uint16, addrs ...string) dns.Target {
	t := dns.Target{Host: host, Port: 8080, Weight: weight}
	for _, a := range addrs {
		t.Addrs = append(t.Addrs, netip.MustParseAddr(a))
	}
	return t
}

func TestServiceInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		f, cc := &fakeService{}, &fakeChannel{}
		f.set(dns.Services{Priority: 1, Targets: []dns.Target{target1("a.", 1, "10.0.0.1", "fd00::1"), target1("b.", 2, "10.0.0.2")}}, nil)
		r := build(t, New(Config{LookupService: f.lookup}), "dns:///_grpc._tcp.svc.test", cc)
		defer r.Close()
		const both = "10.0.0.1:8080|[fd00::1]:8080 10.0.0.2:8080"
		cc.want(t, both)

		// Nothing that goes wrong changes the set.
		f.set(dns.Services{}, down)
		pass(t, time.Minute)
		silent := target1("b.", 2)
		silent.NoIPv4, silent.NoIPv6 = down, down
		half := target1("a.", 1, "10.0.0.1")
		half.NoIPv6 = down
		f.set(dns.Services{Priority: 1, Targets: []dns.Target{half, silent}}, nil)
		pass(t, time.Minute)
		// The servers for bad times do not replace those that are not known to be
		// gone.
		f.set(dns.Services{Priority: 2, Targets: []dns.Target{target1("c.", 2, "10.0.0.3")}, Skipped: down}, nil)
		pass(t, time.Minute)
		cc.want(t)

		// A weight that changes is told at once.
		f.set(dns.Services{Priority: 1, Targets: []dns.Target{target1("a.", 1, "10.0.0.1", "fd00::1"), target1("b.", 5, "10.0.0.2")}}, nil)
		pass(t, 2*time.Second)
		cc.want(t, both)
		// A target leaves with the second answer without it.
		f.set(dns.Services{Priority: 1, Targets: []dns.Target{target1("a.", 1, "10.0.0.1", "fd00::1")}}, nil)
		for f.answers() < 1 {
			pass(t, 10*time.Millisecond)
		}
		cc.want(t)
		for f.answers() < 2 {
			pass(t, 10*time.Millisecond)
		}
		cc.want(t, "10.0.0.1:8080|[fd00::1]:8080")
		// Those of priority 1 are gone for good.
		f.set(dns.Services{Priority: 2, Targets: []dns.Target{target1("c.", 2, "10.0.0.3")}}, nil)
		pass(t, 5*time.Second)
		cc.want(t, "10.0.0.1:8080|[fd00::1]:8080 10.0.0.3:8080", "10.0.0.3:8080")
	})
}

// TestProcessCache: channels share the names of the process, across the bubbles
// of tests too.
func TestProcessCache(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			one, two := &fakeChannel{}, &fakeChannel{}
			r1 := build(t, New(Config{}), "dns:///process.localhost:1", one)
			r2 := build(t, New(Config{}), "dns:///process.localhost:2", two)
			one.want(t, "127.0.0.1:1|[::1]:1")
			two.want(t, "127.0.0.1:2|[::1]:2")
			process.mu.Lock()
			n := 0
			for k, w := range process.watches {
				if k.host == "process.localhost" {
					n += len(w.users)
				}
			}
			process.mu.Unlock()
			if n != 2 {
				t.Errorf("%d users of the name, want 2", n)
			}
			r1.Close()
			r2.Close()
		})
	}
}
