package discovery

import (
	"context"
	"net/netip"
	"net/url"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

// A taker is a channel that says when it was told.
type taker struct {
	resolver.ClientConn

	told chan resolver.State
}

func (c *taker) UpdateState(s resolver.State) error {
	c.told <- s
	return nil
}

// BenchmarkResolver5000 measures all that happens from the answer of a name with
// 5,000 addresses to the call of UpdateState: bring-up of a channel, with how
// much is kept of it.
func BenchmarkResolver5000(b *testing.B) {
	answer := dns.Answer{Addrs: make([]netip.Addr, 0, 5000), TTL: time.Hour, Name: "svc.test."}
	for _, r := range many(5000) {
		answer.Addrs = append(answer.Addrs, r.Addr)
	}
	u, err := url.Parse("dns:///svc.test:80")
	if err != nil {
		b.Fatal(err)
	}
	cc := &taker{told: make(chan resolver.State)}
	bringUp := func() (resolver.Resolver, resolver.State) {
		r, err := New(Config{Lookup: func(context.Context, string) (dns.Answer, error) { return answer, nil }}).
			Build(resolver.Target{URL: *u}, cc, resolver.BuildOptions{})
		if err != nil {
			b.Fatal(err)
		}
		return r, <-cc.told
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, s := bringUp()
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := float64(after.HeapAlloc-before.HeapAlloc) / float64(len(s.Endpoints))
	r.Close()
	b.ReportAllocs()
	for b.Loop() {
		r, _ := bringUp()
		r.Close()
	}
	b.ReportMetric(kept, "kept-B/endpoint")
}
