package discovery

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/resolver"
)

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
		{"", "svc.test:80", target{"", "svc.test", "80", false}, ""},
		{"", "svc.test.", target{"", "svc.test.", "443", false}, ""},
		{"", "svc.test:https", target{"", "svc.test", "443", false}, ""},
		{"10.0.0.53", "svc:80", target{"10.0.0.53:53", "svc", "80", false}, ""},
		{"10.0.0.53:5353", "svc:80", target{"10.0.0.53:5353", "svc", "80", false}, ""},
		{"[fd00::53]", "svc:80", target{"[fd00::53]:53", "svc", "80", false}, ""},
		{"[fd00::53]:54", "svc:80", target{"[fd00::53]:54", "svc", "80", false}, ""},
		{"ns.test", "svc:80", target{"ns.test:53", "svc", "80", false}, ""},
		{"", "_grpc._tcp.svc.test", target{"", "_grpc._tcp.svc.test", "", true}, ""},
		{"10.0.0.53", "_grpc._tcp.svc.test.", target{"10.0.0.53:53", "_grpc._tcp.svc.test.", "", true}, ""},
		{"", "_grpc._tcp.svc.test:80", target{"", "_grpc._tcp.svc.test", "80", false}, ""},
		{"", "a._tcp.test", target{"", "a._tcp.test", "443", false}, ""},
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
