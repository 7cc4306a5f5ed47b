package discovery

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

// TestShared: many channels, one look-up; none while there is no channel; and
// what was known is there when one comes back while DNS is down.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDNS{}
		f.say(5*time.Second, "10.0.0.1", "10.0.0.2")
		shared := NewShared()
		shared.lookup = f.lookup
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
		other := build(t, New(Config{Shared: shared, Policy: Policy{MaxTTL: time.Second}}), "dns:///svc.test:8", apart)
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

func TestUnusedNamesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDNS{}
		f.say(5*time.Second, "10.0.0.1")
		shared := NewShared()
		shared.lookup = f.lookup
		for i := range 3 * maxUnused {
			cc := &fakeChannel{}
			r := build(t, New(Config{Shared: shared}), fmt.Sprintf("dns:///svc%d.test", i), cc)
			cc.want(t, "10.0.0.1:443")
			r.Close()
			pass(t, time.Second)
		}
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if n := len(shared.watches); n != maxUnused {
			t.Errorf("%d names are remembered, want %d", n, maxUnused)
		}
		for k := range shared.watches {
			if k.host == "svc0.test" {
				t.Error("the oldest name is remembered")
			}
		}
	})
}
