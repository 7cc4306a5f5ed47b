package discovery

import (
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/serviceconfig"
)

func state(addrs ...string) resolver.State {
	s := resolver.State{Endpoints: []resolver.Endpoint{}, ServiceConfig: &serviceconfig.ParseResult{}}
	for _, a := range addrs {
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	return s
}

// TestWrap: whatever a foreign resolver sends, the channel keeps what is good.
func TestWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		var replies []error
		theirs := manual.NewBuilderWithScheme("registry")
		theirs.UpdateStateCallback = func(err error) { replies = append(replies, err) }
		cc := &fakeChannel{}
		r := build(t, Wrap(theirs, Config{OnUpdate: func(e Event) { events = append(events, e) }}), "registry:///svc", cc)
		defer r.Close()

		theirs.UpdateState(resolver.State{})
		cc.want(t, "error: the answer has no addresses")
		theirs.UpdateState(state("10.0.0.1:80", "10.0.0.2:80"))
		cc.want(t, "10.0.0.1:80 10.0.0.2:80")
		theirs.UpdateState(state())
		theirs.UpdateState(resolver.State{Endpoints: []resolver.Endpoint{{}}})
		theirs.UpdateState(resolver.State{Addresses: []resolver.Address{}})
		cc.want(t)
		if c := cc.serviceConfigs(); c != 0 {
			t.Errorf("%d service configs came through", c)
		}
		theirs.CC().ReportError(errors.New("down"))
		cc.want(t, "error: down")
		theirs.CC().NewAddress(nil) //nolint:staticcheck // deprecated, and resolvers call it
		cc.want(t)
		cc.refuse(balancer.ErrBadResolverState)
		theirs.UpdateState(state("10.0.0.3:80"))
		cc.want(t, "10.0.0.3:80")
		cc.refuse(nil)
		theirs.UpdateState(resolver.State{Addresses: []resolver.Address{{Addr: "10.0.0.4:80"}}})

		bad := 0
		for _, err := range replies {
			if err != nil {
				bad++
			}
		}
		if len(replies) != 7 || bad != 5 {
			t.Errorf("the resolver was told %v", replies)
		}
		var got []int
		for _, e := range events {
			if e.Host != "svc" {
				t.Errorf("event of %q", e.Host)
			}
			got = append(got, e.Endpoints)
		}
		if want := []int{0, 2, 2, 2, 2, 2, 2, 1}; !slices.Equal(got, want) {
			t.Errorf("endpoints in events: %v, want %v", got, want)
		}
	})
}

func TestBuilders(t *testing.T) {
	for scheme, b := range map[string]resolver.Builder{"registry-test": manual.NewBuilderWithScheme("registry-test"), "xds": manual.NewBuilderWithScheme("xds")} {
		if resolver.Get(scheme) == nil {
			resolver.Register(b)
		}
	}
	for target, want := range map[string]string{
		"dns:///svc.test:80":                  "dns",
		"svc.test:80":                         "dns",
		"svc.test":                            "dns",
		"10.0.0.1:80":                         "dns",
		"nonesuch:///svc":                     "dns",
		"dns:///_grpc._tcp.svc.test.":         "dns svc.test",
		"_grpc._tcp.svc.test":                 "dns svc.test",
		"dns://10.0.0.53/_grpc._tcp.svc.test": "dns svc.test",
		"dns:///_grpc._tcp":                   "dns _grpc._tcp",
		"dns:///_grpc._tcp.svc.test:80":       "dns",
		"registry-test:///svc":                "dns, wrapped registry-test",
		"unix:///tmp/sock":                    "dns, wrapped unix localhost",
		"unix:sock":                           "dns, wrapped unix localhost",
		"passthrough:///10.0.0.1:80":          "dns, wrapped passthrough",
		"xds:///svc":                          "dns",
		"%zz":                                 "dns",
	} {
		var got []string
		for _, b := range Builders(target, Config{}) {
			s := b.Scheme()
			switch b.(type) {
			case wrapper, authorityWrapper:
				s = "wrapped " + s
			}
			if a, ok := b.(resolver.AuthorityOverrider); ok {
				s += " " + a.OverrideAuthority(targetOf(t, target))
			}
			got = append(got, s)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func targetOf(t *testing.T, target string) resolver.Target {
	t.Helper()
	if !strings.Contains(target, ":") {
		target = "dns:///" + target
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return resolver.Target{URL: *u}
}

// TestUnixSocket: a real server on a socket, through a real channel.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var authority []string
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		authority = md.Get(":authority")
		return h(ctx, req)
	}))
	healthpb.RegisterHealthServer(s, health.NewServer())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	defer wg.Wait()
	defer s.Stop()
	target := "unix://" + path
	cc, err := grpc.NewClient(target,
		grpc.WithResolvers(Builders(target, Config{})...),
		grpc.WithDisableServiceConfig(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	if _, err := healthpb.NewHealthClient(cc).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(authority, []string{"localhost"}) {
		t.Errorf("the authority was %q", authority)
	}
}
