package discovery

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"google.golang.org/grpc/resolver"
)

// staticScheme is the scheme of targets that list their endpoints.
const staticScheme = "static"

// dnsScheme is the scheme of targets that are looked up.
const dnsScheme = "dns"

// static is the resolver of "static:///host:port,host:port": the endpoints are
// what the target says, for ever.
type static struct{}

func (static) Scheme() string { return staticScheme }

// Build gives the channel the endpoints, once.
func (static) Build(t resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	list, err := parseStatic(t.Endpoint())
	if err != nil {
		return nil, err
	}
	var s resolver.State
	for _, addr := range list {
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
	}
	return static{}, cc.UpdateState(noted(s))
}

// OverrideAuthority returns the host of the first endpoint.
func (static) OverrideAuthority(t resolver.Target) string {
	list, err := parseStatic(t.Endpoint())
	if err != nil {
		return t.Endpoint()
	}
	return list[0]
}

// ResolveNow does nothing.
func (static) ResolveNow(resolver.ResolveNowOptions) {}

// Close does nothing.
func (static) Close() {}

func parseStatic(endpoint string) ([]string, error) {
	var list []string
	for part := range strings.SplitSeq(endpoint, ",") {
		host, port, err := net.SplitHostPort(part)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("target %q: %q is no host:port: write %s:///10.0.0.1:7443,10.0.0.2:7443",
				staticScheme+":///"+endpoint, part, staticScheme)
		}
		list = append(list, part)
	}
	return list, nil
}

// Check returns why a client of target could never make a call, nil if nothing
// speaks against it. others says that the client has resolvers of its own,
// whose schemes are not known here.
func Check(target string, others bool) error {
	u, err := url.Parse(target)
	known := err == nil && (u.Scheme == dnsScheme || u.Scheme == staticScheme || resolver.Get(u.Scheme) != nil)
	switch {
	case known && u.Scheme == dnsScheme:
		t := resolver.Target{URL: *u}
		_, err := parseTarget(u.Host, t.Endpoint())
		return err
	case known && u.Scheme == staticScheme:
		t := resolver.Target{URL: *u}
		_, err := parseStatic(t.Endpoint())
		return err
	case known || others:
		return nil
	case err == nil && strings.Contains(target, "://"):
		return fmt.Errorf("target %q: nobody knows the scheme %q: write dns:///host:port, static:///host:port,host:port or "+
			"unix:///path, or link the resolver of that scheme into the program", target, u.Scheme)
	case defaultScheme() == dnsScheme:
		_, err := parseTarget("", target)
		return err
	}
	return nil
}
