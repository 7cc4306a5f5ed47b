package discovery_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot"
)

// A pushResolver sends one state with a service config, which a foreign registry
// may do, and then whatever it is told.
type pushResolver struct {
	scheme, config string
	addrs          []string

	mu sync.Mutex
	cc resolver.ClientConn
}

func (p *pushResolver) Scheme() string                        { return p.scheme }
func (p *pushResolver) ResolveNow(resolver.ResolveNowOptions) {}
func (p *pushResolver) Close()                                {}

func (p *pushResolver) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	s := resolver.State{ServiceConfig: cc.ParseServiceConfig(p.config)}
	for _, a := range p.addrs {
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cc = cc
	return p, cc.UpdateState(s)
}

func (p *pushResolver) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cc.UpdateState(resolver.State{Endpoints: []resolver.Endpoint{}}) // that it is refused is what is tested
}

// countingBalancer is round_robin under a name of its own, and counts.
type countingBalancer struct {
	balancer.Builder

	built *atomic.Int64
}

func (countingBalancer) Name() string { return "counting_test" }

func (c countingBalancer) Build(cc balancer.ClientConn, o balancer.BuildOptions) balancer.Balancer {
	c.built.Add(1)
	return c.Builder.Build(cc, o)
}

// deadlines notes whether calls arrive with a deadline, which none of the
// callers here sets: it is the contract's, from our interceptor.
func deadlines(t *testing.T) (addr string, with *atomic.Int64) {
	t.Helper()
	with = new(atomic.Int64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		if _, ok := ctx.Deadline(); ok {
			with.Add(1)
		}
		return h(ctx, req)
	}))
	healthpb.RegisterHealthServer(s, health.NewServer())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return l.Addr().String(), with
}

// TestForeignResolvers: a registered scheme works in a channel of ours, with the
// contract's deadline and our balancer whatever service config it sends, and
// survives an empty update. A target of xDS keeps the balancer that its
// resolver's service config names, under the same interceptors.
func TestForeignResolvers(t *testing.T) {
	addr, with := deadlines(t)
	built := new(atomic.Int64)
	balancer.Register(countingBalancer{balancer.Get(roundrobin.Name), built})
	const config = `{"loadBalancingConfig":[{"counting_test":{}}],
		"methodConfig":[{"name":[{}],"timeout":"0.000000001s"}]}`
	for _, c := range []struct {
		scheme string
		config string
		theirs int64 // balancers of theirs
	}{
		{"push-test", config, 0},
		{"xds", `{"loadBalancingConfig":[{"counting_test":{}}]}`, 1},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			before := resolver.Get(c.scheme)
			p := &pushResolver{scheme: c.scheme, config: c.config, addrs: []string{addr}}
			resolver.Register(p)
			defer func() {
				if before != nil {
					resolver.Register(before)
				}
			}()
			built.Store(0)
			with.Store(0)
			client, err := surefoot.NewClient(c.scheme+":///svc", surefoot.WithInsecure())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			ask := func() {
				t.Helper()
				if _, err := healthpb.NewHealthClient(client).Check(context.WithoutCancel(ctx), &healthpb.HealthCheckRequest{}); err != nil {
					t.Error(err)
				}
			}
			ask()
			if c.theirs == 0 {
				p.empty()
				ask()
			}
			if n := built.Load(); n != c.theirs {
				t.Errorf("%d balancers of theirs, want %d", n, c.theirs)
			}
			if with.Load() == 0 {
				t.Error("the call arrived without the contract's deadline")
			}
		})
	}
}
