package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// defaultPort is the port of a target that names none, as in grpc-go.
	defaultPort = "443"
	// dnsPort is the port of a DNS server (RFC 1035 §4.2).
	dnsPort = "53"
)

// A target is what a channel dials: "dns://server/host:port", or
// "dns://server/_service._proto.host".
type target struct {
	server string // host:port, "" for the host's own servers
	host   string // a name, or an address without brackets
	port   string // "" if service
	// service says that host has SRV records (RFC 2782), which have the ports.
	service bool
}

func parseTarget(authority, endpoint string) (target, error) {
	whole := "dns://" + authority + "/" + endpoint
	fail := func(why, fix string) (target, error) {
		return target{}, fmt.Errorf("target %q: %s: %s", whole, why, fix)
	}
	const form = "write dns:///host:port"
	if endpoint == "" {
		return fail("it names no host", form)
	}
	if strings.Contains(endpoint, "/") {
		return fail("there is a slash in the host", form+", or dns://server/host:port to ask a certain DNS server")
	}
	t := target{}
	var err error
	if t.host, t.port, err = splitHostPort(endpoint, defaultPort); err != nil {
		return fail(err.Error(), form+", and an IPv6 address as [::1]:port")
	}
	if isService(endpoint) {
		t.port, t.service = "", true
	}
	if t.host == "" {
		t.host = "localhost" // as net.Dial and grpc-go have it
	}
	if authority == "" {
		return t, nil
	}
	if decoded, err := url.PathUnescape(authority); err == nil {
		authority = decoded
	}
	host, port, err := splitHostPort(authority, dnsPort)
	if err != nil || host == "" {
		return fail("the DNS server cannot be read", "write dns://10.0.0.53/host:port or dns://10.0.0.53:5353/host:port")
	}
	t.server = net.JoinHostPort(host, port)
	return t, nil
}

// isService reports whether an endpoint is the name of a service: it begins with
// an underscore label, as RFC 2782 has it, and names no port. With a port it is
// a host like any other.
func isService(endpoint string) bool {
	return strings.HasPrefix(endpoint, "_") && !strings.Contains(endpoint, ":")
}

// splitHostPort splits "host", "host:port", "[v6]:port", "[v6]" and "v6".
func splitHostPort(s, otherwise string) (host, port string, err error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, otherwise, nil
	}
	if strings.HasSuffix(s, ":") {
		return "", "", errors.New("there is a colon without a port after it")
	}
	if host, port, err = net.SplitHostPort(s); err != nil {
		if host, port, err = net.SplitHostPort(s + ":" + otherwise); err != nil {
			return "", "", errors.New("it is not host:port")
		}
	}
	if n, err := strconv.Atoi(port); err == nil {
		if n < 1 || n > 65535 {
			return "", "", fmt.Errorf("there is no port %d", n)
		}
		return host, port, nil
	}
	// The name of a service, from services(5).
	n, err := net.DefaultResolver.LookupPort(context.Background(), "tcp", port) // reads a file
	if err != nil {
		return "", "", fmt.Errorf("there is no port %q", port)
	}
	return host, strconv.Itoa(n), nil
}
