package discovery

import (
	"testing"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/endpoint"
)

func TestWhatAProxyHidesIsFound(t *testing.T) {
	at := func(server string, addrs ...string) (e resolver.Endpoint) {
		for _, a := range addrs {
			e.Addresses = append(e.Addresses, resolver.Address{Addr: a, ServerName: server})
		}
		return e
	}
	first := endpoint.WithZone(at("first.test", "192.0.2.1:80"), "east")
	second := at("", "192.0.2.2:80", "[2001:db8::2]:80")
	local := at("", "127.0.0.1:80")
	s := noted(resolver.State{
		Endpoints:  []resolver.Endpoint{first, second, local},
		Attributes: attributes.New("theirs", 1),
	})
	if got := Found(s); &got[0] != &s.Endpoints[0] {
		t.Error("without a proxy the endpoints are not what was found")
	}
	// What grpc-go makes of it: the proxy's address with attributes, nothing else.
	s.Endpoints = []resolver.Endpoint{at("", "10.0.0.9:3128"), at("", "10.0.0.9:3128", "10.0.0.9:3128"), local}
	got := Found(s)
	for i, want := range []resolver.Endpoint{first, second, local} {
		if own := OwnAddresses(got[i]); len(own) != len(want.Addresses) || own[0].Addr != want.Addresses[0].Addr {
			t.Errorf("endpoint %d has the addresses %v of its own, want %v", i, own, want.Addresses)
		}
		if len(got[i].Addresses) != len(s.Endpoints[i].Addresses) || got[i].Addresses[0].Addr != s.Endpoints[i].Addresses[0].Addr {
			t.Errorf("endpoint %d is dialled at %v, want %v", i, got[i].Addresses, s.Endpoints[i].Addresses)
		}
	}
	if z, n := endpoint.Zone(got[0]), got[0].Addresses[0].ServerName; z != "east" || n != "first.test" {
		t.Errorf("zone %q, server name %q", z, n)
	}
	if s.Endpoints[0].Addresses[0].ServerName != "" {
		t.Error("the state was written to")
	}
	if s.Attributes.Value("theirs") != 1 {
		t.Error("the resolver's attribute is gone")
	}
	s.Endpoints = s.Endpoints[:1]
	if got := Found(s); len(got) != 1 || endpoint.Zone(got[0]) != "" {
		t.Error("endpoints are matched though their number differs")
	}
}
