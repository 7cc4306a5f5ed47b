package discovery

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/endpoint"
	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

// srv returns a record as an SRV answer gives it: "10.0.0.1:80 weight host".
func srv(text string) dnscache.Record {
	var addr, host string
	var weight uint16
	if _, err := fmt.Sscan(text, &addr, &weight, &host); err != nil {
		panic(err)
	}
	ap := netip.MustParseAddrPort(addr)
	return dnscache.Record{Addr: ap.Addr(), Port: ap.Port(), Weight: weight, Host: host}
}

// describe writes endpoints as "addr|addr*weight".
func describe(all []resolver.Endpoint) []string {
	out := make([]string, 0, len(all))
	for _, e := range all {
		addrs := make([]string, 0, 2)
		for _, a := range e.Addresses {
			addrs = append(addrs, a.Addr)
		}
		s := strings.Join(addrs, "|")
		if w := endpoint.Weight(e); w > 0 {
			s += fmt.Sprintf("*%d", w)
		}
		out = append(out, s)
	}
	return out
}

func TestEndpointsOfServices(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []string
		want    []string
	}{
		{"weights", []string{"10.0.0.1:80 1 a.", "10.0.0.2:81 3 b."}, []string{"10.0.0.1:80*1", "10.0.0.2:81*3"}},
		{"no weights", []string{"10.0.0.1:80 0 a.", "10.0.0.2:81 0 b."}, []string{"10.0.0.1:80", "10.0.0.2:81"}},
		{"weight 0 beside others", []string{"10.0.0.1:80 0 a.", "10.0.0.2:81 2 b."}, []string{"10.0.0.1:80*1", "10.0.0.2:81*200"}},
		{"beside large ones", []string{"10.0.0.1:80 0 a.", "10.0.0.2:81 60000 b."}, []string{"10.0.0.1:80*1", "10.0.0.2:81*60000"}},
		{"one host, both families", []string{"10.0.0.1:80 4 a.", "10.0.0.2:80 4 b.", "[fd00::1]:80 4 a."}, []string{"10.0.0.1:80|[fd00::1]:80*4", "10.0.0.2:80*4"}},
		{"of IPv6 alone", []string{"[fd00::1]:80 4 a."}, []string{"[fd00::1]:80*4"}},
		{"several addresses share the weight", []string{"10.0.0.1:80 1 a.", "10.0.0.2:80 1 a.", "10.0.0.3:80 1 b.", "[fd00::1]:80 1 a."}, []string{"10.0.0.1:80*33", "10.0.0.2:80*33", "10.0.0.3:80*100", "[fd00::1]:80*33"}},
		{"two ports of a host are two servers", []string{"10.0.0.1:80 1 a.", "10.0.0.1:81 2 a.", "[fd00::1]:80 1 a.", "[fd00::1]:81 2 a."}, []string{"10.0.0.1:80|[fd00::1]:80*1", "10.0.0.1:81|[fd00::1]:81*2"}},
	} {
		records := make([]dnscache.Record, 0, len(c.records))
		for _, r := range c.records {
			records = append(records, srv(r))
		}
		if got := describe(endpoints(records, "")); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestFamiliesOfAName: what belongs to one server must be said. A and AAAA
// records of one name do not say it.
func TestFamiliesOfAName(t *testing.T) {
	records := []dnscache.Record{{Addr: netip.MustParseAddr("10.0.0.1")}, {Addr: netip.MustParseAddr("fd00::1")}}
	if got := describe(endpoints(records, "80")); !slices.Equal(got, []string{"10.0.0.1:80", "[fd00::1]:80"}) {
		t.Errorf("got %q", got)
	}
}

func many(n int) []dnscache.Record {
	records := make([]dnscache.Record, 0, n)
	for i := range n {
		records = append(records, dnscache.Record{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	return records
}

func BenchmarkEndpoints5000(b *testing.B) {
	plain := many(5000)
	service := many(5000)
	for i := range service {
		service[i].Port, service[i].Weight, service[i].Host = 8080, 10, fmt.Sprintf("pod-%d.svc.test.", i)
	}
	for name, records := range map[string][]dnscache.Record{"addresses": plain, "services": service} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var m0, m1 runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m0)
			kept := endpoints(records, "443")
			runtime.GC()
			runtime.ReadMemStats(&m1)
			for b.Loop() {
				endpoints(records, "443")
			}
			b.ReportMetric(float64(int64(m1.HeapAlloc)-int64(m0.HeapAlloc))/float64(len(kept)), "kept-B/endpoint")
			runtime.KeepAlive(kept)
		})
	}
}
