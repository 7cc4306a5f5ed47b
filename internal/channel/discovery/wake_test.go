package discovery

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

// TestIdle: a channel without calls asks once after the last one and no more; a
// call finds the old set, waits for nothing and has the name looked up.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(5*time.Second, "10.0.0.1")
		waker := new(Waker)
		r := build(t, New(Config{Lookup: f.lookup, Waker: waker}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.want(t, "10.0.0.1:80")
		for range 600 { // a minute with calls
			waker.Wake()
			pass(t, 100*time.Millisecond)
		}
		if n := f.count(); n < 12 || n > 15 {
			t.Errorf("%d look-ups in a minute with calls and a TTL of 5 s", n)
		}
		n := f.count()
		pass(t, 24*time.Hour)
		if got := f.count() - n; got > 1 {
			t.Errorf("%d look-ups in a day without calls", got)
		}
		f.say(5*time.Second, "10.0.0.2")
		n = f.count()
		cc.take()
		waker.Wake()
		waker.Wake()
		cc.want(t) // the old set stays
		pass(t, 250*time.Millisecond)
		cc.want(t, "10.0.0.1:80 10.0.0.2:80")
		if got := f.count() - n; got != 1 {
			t.Errorf("%d look-ups after a call", got)
		}
		pass(t, 5*time.Second) // the call was one since the look-up that was put off
		pass(t, time.Hour)
		if got := f.count() - n; got > 2 {
			t.Errorf("%d look-ups after one call", got)
		}
	})
}

// TestCallsInFlight keep a name awake.
func TestCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(5*time.Second, "10.0.0.1")
		var busy atomic.Bool
		busy.Store(true)
		r := build(t, New(Config{
			Lookup: f.lookup, Waker: new(Waker), Idle: func() bool { return !busy.Load() },
		}), "dns:///svc.test:80", cc)
		defer r.Close()
		pass(t, time.Hour)
		if n := f.count(); n < 720 {
			t.Errorf("%d look-ups in an hour with a stream in flight", n)
		}
		busy.Store(false)
		pass(t, 10*time.Second)
		n := f.count()
		pass(t, time.Hour)
		if got := f.count(); got != n {
			t.Errorf("%d look-ups after the last call", got-n)
		}
	})
}

// TestIdleWithoutASet: a name that was never found is looked up all the same, so
// that the next call does not fail for what has healed.
func TestIdleWithoutASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.set(dns.Answer{}, &dns.Error{Kind: dns.NXDomain})
		r := build(t, New(Config{Lookup: f.lookup, Waker: new(Waker)}), "dns:///svc.test:80", cc)
		defer r.Close()
		pass(t, time.Hour)
		cc.take()
		f.say(time.Minute, "10.0.0.1")
		pass(t, 5*time.Second)
		cc.want(t, "10.0.0.1:80")
	})
}

// TestOneOfTwoIsIdle: channels that share a name are idle together. The one that
// is woken wakes it for both.
func TestOneOfTwoIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDNS{}
		f.say(5*time.Second, "10.0.0.1")
		shared := NewShared()
		shared.lookup = f.lookup
		one, two := new(Waker), new(Waker)
		ccOne, ccTwo := &fakeChannel{}, &fakeChannel{}
		rOne := build(t, New(Config{Shared: shared, Waker: one}), "dns:///svc.test:80", ccOne)
		defer rOne.Close()
		rTwo := build(t, New(Config{Shared: shared, Waker: two}), "dns:///svc.test:80", ccTwo)
		for range 60 {
			two.Wake()
			pass(t, time.Second)
		}
		if n := f.count(); n < 12 {
			t.Errorf("%d look-ups in a minute with calls", n)
		}
		rTwo.Close()
		two.Wake()
		pass(t, 10*time.Second)
		n := f.count()
		pass(t, time.Hour)
		if got := f.count(); got != n {
			t.Errorf("%d look-ups without calls", got-n)
		}
		// A channel that joins is a use.
		f.say(5*time.Second, "10.0.0.2")
		ccOne.take()
		late := &fakeChannel{}
		rLate := build(t, New(Config{Shared: shared, Waker: two}), "dns:///svc.test:80", late)
		pass(t, time.Second)
		late.want(t, "10.0.0.1:80 10.0.0.2:80")
		ccOne.want(t, "10.0.0.1:80 10.0.0.2:80")
		rLate.Close()
		one.Wake()
		(*Waker)(nil).Wake()
	})
}

// TestHintsWhileIdle: an endpoint that cannot be connected sends hints for ever.
// That is no reason to ask each second for what nobody uses.
func TestHintsWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cc := &fakeDNS{}, &fakeChannel{}
		f.say(30*time.Second, "10.0.0.1")
		waker := new(Waker)
		r := build(t, New(Config{Lookup: f.lookup, Waker: waker}), "dns:///svc.test:80", cc)
		defer r.Close()
		cc.take()
		waker.Wake()
		hint := func(d time.Duration) int {
			n := f.count()
			for range int(d / (2 * time.Second)) {
				r.ResolveNow(resolver.ResolveNowOptions{})
				pass(t, 2*time.Second)
			}
			return f.count() - n
		}
		if n := hint(14 * time.Second); n < 6 {
			t.Errorf("%d look-ups for the hints of 14 s in use", n)
		}
		hint(10 * time.Second)
		if n := hint(time.Hour); n < 11 || n > 13 {
			t.Errorf("%d look-ups for the hints of an idle hour, want one each 5 min", n)
		}
	})
}

// TestFleetDoesNotStampede: what all clients notice at once they do not all ask
// about at once.
func TestFleetDoesNotStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 200
		fakes := make([]*fakeDNS, clients)
		rs := make([]resolver.Resolver, clients)
		for i := range clients {
			fakes[i] = &fakeDNS{}
			fakes[i].say(time.Minute, "10.0.0.1")
			rs[i] = build(t, New(Config{Lookup: fakes[i].lookup}), fmt.Sprintf("dns:///svc.test:%d", i+1), &fakeChannel{})
			defer rs[i].Close()
		}
		pass(t, 30*time.Second)
		lost := time.Now()
		for _, r := range rs {
			r.ResolveNow(resolver.ResolveNowOptions{})
		}
		pass(t, time.Second)
		in := map[time.Duration]int{}
		for _, f := range fakes {
			if n := f.count(); n != 2 {
				t.Fatalf("%d look-ups, want 2", n)
			}
			in[f.asked[1].Sub(lost)/(50*time.Millisecond)]++
		}
		for slot, n := range in {
			if slot > 5 || n > clients/2 {
				t.Errorf("%d of %d clients asked in one slot of 50 ms: %v", n, clients, in)
			}
		}
	})
}

func BenchmarkWake(b *testing.B) {
	w := new(Waker)
	b.ReportAllocs()
	for b.Loop() {
		w.Wake()
	}
}
