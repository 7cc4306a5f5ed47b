package chain_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A tier is one service of a chain: some servers, and the client with which
// each of them calls the tier below. A test says what its handlers do.
type tier struct {
	inventoryv1.UnimplementedInventoryServer

	below   inventoryv1.InventoryClient // nil for the bottom
	get     func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error)
	reserve func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error)
	watch   func(r *inventoryv1.WatchRequest, s inventoryv1.Inventory_WatchServer) error
	gets    atomic.Int64 // that reached a handler

	mu      sync.Mutex
	headers []metadata.MD // of the gets
}

func (s *tier) Get(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	s.gets.Add(1)
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	s.headers = append(s.headers, md)
	s.mu.Unlock()
	if s.get != nil {
		return s.get(ctx, r)
	}
	if s.below != nil {
		return s.below.Get(ctx, r)
	}
	return &inventoryv1.GetResponse{}, nil
}

func (s *tier) Reserve(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	if s.reserve != nil {
		return s.reserve(ctx, r)
	}
	return s.below.Reserve(ctx, r)
}

func (s *tier) Watch(r *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
	return s.watch(r, w)
}

// seen returns the header of this name in the order of the gets, "" where it
// was not given.
func (s *tier) seen(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, md := range s.headers {
		v := ""
		if got := md.Get(name); len(got) > 0 {
			v = got[0]
		}
		all = append(all, v)
	}
	return all
}

// A service is what a tier is served by.
type service struct {
	register func(impl inventoryv1.InventoryServer)
	serve    func(lis net.Listener) // returns when stopped
	stop     func()
}

func surefootService(t *testing.T, opts ...surefoot.ServerOption) service {
	s, err := surefoot.NewServer(append([]surefoot.ServerOption{surefoot.WithInsecure()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return service{
		register: func(impl inventoryv1.InventoryServer) { inventoryv1.RegisterInventoryServer(s, impl) },
		serve:    func(lis net.Listener) { _ = s.Serve(context.Background(), lis) },
		stop:     s.Stop,
	}
}

// plainService is one of grpc-go's own.
func plainService(opts ...grpc.ServerOption) service {
	s := grpc.NewServer(opts...)
	return service{
		register: func(impl inventoryv1.InventoryServer) { inventoryv1.RegisterInventoryServer(s, impl) },
		serve:    func(lis net.Listener) { _ = s.Serve(lis) },
		stop:     s.Stop,
	}
}

// A net of services in memory, and clients of them.
type network struct {
	t *testing.T

	mu        sync.Mutex
	listeners map[string]*memnet.Listener
	closers   []func()
	running   sync.WaitGroup
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, listeners: make(map[string]*memnet.Listener)}
}

// close ends everything, clients first. Use it before a bubble ends.
func (n *network) close() {
	for _, f := range slices.Backward(n.closers) {
		f()
	}
	n.running.Wait()
}

// serve serves impl under this name until close.
func (n *network) serve(name string, s service, impl inventoryv1.InventoryServer) {
	lis := memnet.Listen(1 << 16)
	n.mu.Lock()
	n.listeners[name] = lis
	n.mu.Unlock()
	s.register(impl)
	n.running.Go(func() { s.serve(lis) })
	n.closers = append(n.closers, s.stop)
}

func (n *network) dial(ctx context.Context, name string) (net.Conn, error) {
	n.mu.Lock()
	lis := n.listeners[name]
	n.mu.Unlock()
	return lis.DialContext(ctx)
}

// options returns how a client finds the servers of these names.
func (n *network) options(names []string) []grpc.DialOption {
	var st resolver.State
	for _, name := range names {
		st.Endpoints = append(st.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: name}}})
	}
	r := manual.NewBuilderWithScheme("chain")
	r.InitialState(st)
	return []grpc.DialOption{grpc.WithResolvers(r), grpc.WithContextDialer(n.dial)}
}

// client returns a client of the servers of these names.
func (n *network) client(names []string, opts ...surefoot.ClientOption) inventoryv1.InventoryClient {
	opts = append([]surefoot.ClientOption{
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithDialOptions(n.options(names)...),
	}, opts...)
	c, err := surefoot.NewClient("chain:///inventory", opts...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.closers = append(n.closers, func() { _ = c.Close() })
	return inventoryv1.NewInventoryClient(c)
}

// names returns the names of the servers of a tier.
func names(tier string, servers int) (all []string) {
	for i := range servers {
		all = append(all, fmt.Sprintf("%s%d", tier, i))
	}
	return all
}

// chainOf returns a client of a chain of so many tiers of two servers each, and
// the tiers from the top to the bottom. Each server but the last ones calls the
// tier below with a client of its own and returns what it gets.
func (n *network) chainOf(tiers int, opts ...surefoot.ClientOption) (inventoryv1.InventoryClient, [][]*tier) {
	const servers = 2
	all := make([][]*tier, tiers)
	for i := tiers - 1; i >= 0; i-- {
		for j, name := range names(fmt.Sprint("tier", i, "-"), servers) {
			s := &tier{}
			if i+1 < tiers {
				s.below = n.client(names(fmt.Sprint("tier", i+1, "-"), servers), opts...)
			}
			all[i] = append(all[i], s)
			n.serve(name, surefootService(n.t), all[i][j])
		}
	}
	return n.client(names("tier0-", servers), opts...), all
}

// reached returns how many attempts reached the handlers of a tier.
func reached(servers []*tier) (sum int64) {
	for _, s := range servers {
		sum += s.gets.Load()
	}
	return sum
}

// contractOf returns an option that changes the contract of the inventory.
func contractOf(get *surefootv1.Method) surefoot.ClientOption {
	return surefoot.WithContract(&surefootv1.Contract{
		ServiceName: "inventory.v1.Inventory",
		Methods:     map[string]*surefootv1.MethodContract{"Get": {Method: get}},
	})
}

var anvil = &inventoryv1.GetRequest{Sku: "anvil"}

// unavailable is what a failing handler returns.
var unavailable = status.Error(codes.Unavailable, "the disk is on fire")

// pass waits for d, which costs nothing in a bubble.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test ended")
	}
}
