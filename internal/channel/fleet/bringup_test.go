package fleet

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/observe"
)

// fakeConn stands for grpc-go around a balancer. What the balancer asks for is
// queued and answered by settle, as grpc-go answers from another goroutine.
type fakeConn struct {
	balancer.ClientConn
	queue  []func()
	states []balancer.State
}

type fakeSubConn struct {
	balancer.SubConn
	cc       *fakeConn
	addr     string
	listener func(balancer.SubConnState)
	shut     bool
	stuck    chan struct{}            // if not nil, what its Shutdown waits for
	peer     grpc.ClientConnInterface // of probes
}

func (c *fakeConn) NewSubConn(addrs []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	return &fakeSubConn{cc: c, addr: addrs[0].Addr, listener: o.StateListener}, nil
}
func (c *fakeConn) UpdateState(s balancer.State)          { c.states = append(c.states, s) }
func (c *fakeConn) ResolveNow(resolver.ResolveNowOptions) {}
func (c *fakeConn) Target() string                        { return "fake" }
func (s *fakeSubConn) UpdateAddresses([]resolver.Address) {}
func (s *fakeSubConn) Shutdown() {
	if s.stuck != nil {
		<-s.stuck
	}
	s.shut = true
}
func (s *fakeSubConn) GetOrBuildProducer(b balancer.ProducerBuilder) (balancer.Producer, func()) {
	return b.Build(s.peer)
}
func (s *fakeSubConn) set(st connectivity.State, err error) {
	s.listener(balancer.SubConnState{ConnectivityState: st, ConnectionError: err})
}
func (s *fakeSubConn) RegisterHealthListener(f func(balancer.SubConnState)) {
	s.cc.queue = append(s.cc.queue, func() { f(balancer.SubConnState{ConnectivityState: connectivity.Ready}) })
}
func (s *fakeSubConn) Connect() {
	s.cc.queue = append(s.cc.queue,
		func() { s.set(connectivity.Connecting, nil) },
		func() { s.set(connectivity.Ready, nil) })
}

// settle answers everything that was asked for.
func (c *fakeConn) settle() {
	for len(c.queue) > 0 {
		q := c.queue
		c.queue = nil
		for _, f := range q {
			f()
		}
	}
}

// fleetWith returns a fleet of a channel with this contract.
func fleetWith(t testing.TB, service *surefootv1.Service, random func() uint64) *Fleet {
	t.Helper()
	table, err := contract.Compile(contract.Sources{House: service})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Target: "test", Policy: table.Channel, Name: "a client", Ordinal: -1,
		Epoch: time.Now().Add(-1), Random: random, Picker: asked,
		Changed: func(observe.EndpointChange) {}, Problem: func(err error) { t.Error(err) },
	})
}

// testFleet returns one that uses all of its endpoints, however many.
func testFleet(t testing.TB) *Fleet {
	t.Helper()
	return fleetWith(t, &surefootv1.Service{Balance: &surefootv1.Balance{Subset: &surefootv1.Subset{Size: new(int32(0))}}}, func() uint64 { return 0 })
}

func (f *Fleet) balancer(cc balancer.ClientConn) balancer.Balancer {
	return builder{}.Build(cc, balancer.BuildOptions{DialCreds: f.Credentials(insecure.NewCredentials())})
}

// An attempt is what picks in these tests.
type attempt struct {
	*Picker
	err error
}

func asked(p *Picker, err error) balancer.Picker { return attempt{p, err} }

func (a attempt) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	switch {
	case a.err != nil:
		return balancer.PickResult{}, a.err
	case a.Picker == nil:
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	default:
		return balancer.PickResult{SubConn: a.Picker.Pick(&balance.Request{}).SubConn()}, nil
	}
}

func endpointsOf(n int) []resolver.Endpoint {
	eps := make([]resolver.Endpoint, n)
	for i := range eps {
		eps[i].Addresses = []resolver.Address{{Addr: fmt.Sprintf("10.%d.%d.%d:7443", i>>16, i>>8&255, i&255)}}
	}
	return eps
}

// Bring-up of a large fleet, beside grpc-go's round_robin.
func BenchmarkBringUp(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		for _, arm := range []string{"kit", "round_robin"} {
			if arm == "round_robin" && n > 1000 {
				continue // quadratic: 10,000 endpoints take half a minute and 12 GB
			}
			b.Run(fmt.Sprintf("%s/%d", arm, n), func(b *testing.B) {
				b.ReportAllocs()
				eps := endpointsOf(n)
				for b.Loop() {
					cc := &fakeConn{}
					bal, cfg := newArm(b, arm, cc)
					_ = bal.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: eps}, BalancerConfig: cfg})
					cc.settle()
					bal.Close()
				}
			})
		}
	}
}

// An update that replaces one of many addresses, beside grpc-go's round_robin.
func BenchmarkUpdateOneAddress(b *testing.B) {
	for _, c := range []struct {
		arm string
		n   int
	}{{"kit", 1000}, {"kit", 10000}, {"round_robin", 1000}} {
		b.Run(fmt.Sprintf("%s/%d", c.arm, c.n), func(b *testing.B) {
			b.ReportAllocs()
			eps, more := endpointsOf(c.n), endpointsOf(c.n + 1)[c.n:]
			cc := &fakeConn{}
			bal, cfg := newArm(b, c.arm, cc)
			other := append(append([]resolver.Endpoint{}, eps[1:]...), more...)
			for i := 0; b.Loop(); i++ {
				set := eps
				if i%2 == 1 {
					set = other
				}
				_ = bal.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: set}, BalancerConfig: cfg})
				cc.settle()
				if f, ok := bal.(*fleetBalancer); ok { // each pays for its own picker
					f.mu.Lock()
					if f.pending.set {
						f.publish()
					}
					f.mu.Unlock()
				}
			}
			bal.Close()
		})
	}
}

// What an endpoint costs for as long as it is known, without its connection.
func BenchmarkMemoryOfAnEndpoint(b *testing.B) {
	const n = 10000
	eps := endpointsOf(n)
	most := 0.0 // the heap may still hold what was measured before
	for b.Loop() {
		before := heap()
		cc := &fakeConn{}
		bal, _ := newArm(b, "kit", cc)
		_ = bal.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: eps}})
		cc.settle()
		cc.states = cc.states[len(cc.states)-1:]
		most = max(most, (float64(heap())-float64(before))/n)
		b.ReportMetric(most, "B/endpoint")
		bal.Close()
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func newArm(b *testing.B, arm string, cc balancer.ClientConn) (balancer.Balancer, serviceconfig.LoadBalancingConfig) {
	if arm == "kit" {
		return testFleet(b).balancer(cc), nil
	}
	return balancer.Get(roundrobin.Name).Build(cc, balancer.BuildOptions{}), nil
}

// Bring-up publishes a handful of pickers, not one for each endpoint.
func TestBringUpIsCoalesced(t *testing.T) {
	const n = 2000
	cc := &fakeConn{}
	bal := testFleet(t).balancer(cc)
	defer bal.Close()
	start := time.Now()
	if err := bal.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: endpointsOf(n)}}); err != nil {
		t.Fatal(err)
	}
	cc.settle()
	// One for the first update, one for the first endpoint, and one per
	// coalescing time, however slow this machine is.
	if limit := 3 + int(time.Since(start)/coalesce); len(cc.states) > limit {
		t.Errorf("%d pickers for %d endpoints, want at most %d", len(cc.states), n, limit)
	}
}

// A balancer that grpc-go builds for somebody else's channel says so.
func TestForeignChannelIsRefused(t *testing.T) {
	cc := &fakeConn{}
	bal := builder{}.Build(cc, balancer.BuildOptions{DialCreds: insecure.NewCredentials()})
	err := bal.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: endpointsOf(1)}})
	if err == nil || len(cc.states) != 1 {
		t.Fatalf("%v, %d states", err, len(cc.states))
	}
	if _, err := cc.states[0].Picker.Pick(balancer.PickInfo{Ctx: t.Context()}); err == nil {
		t.Error("a pick succeeded")
	}
	bal.Close()
}
