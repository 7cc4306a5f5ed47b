package channel_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
	"github.com/surefoot-rpc/surefoot/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server is one in-memory server of the inventory. Its fields say what its
// handlers do; they are set before the first call.
type server struct {
	inventoryv1.UnimplementedInventoryServer

	name    string
	options []grpc.ServerOption
	get     func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error)
	reserve func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error)
	watch   func(r *inventoryv1.WatchRequest, s inventoryv1.Inventory_WatchServer) error
	keep    func(s inventoryv1.Inventory_KeepAliveServer) error
	gets    atomic.Int64 // attempts that reached the handler
	applied atomic.Int64 // reservations applied

	slowDial time.Duration

	mu   sync.Mutex
	lis  *memnet.Listener
	grpc *grpc.Server
	open map[*pipe]bool
	hung bool
}

func (s *server) Get(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	s.gets.Add(1)
	if s.get != nil {
		return s.get(ctx, r)
	}
	return &inventoryv1.GetResponse{Sku: r.GetSku(), InStock: 1, Server: s.name}, nil
}

func (s *server) Reserve(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	s.applied.Add(1)
	if s.reserve != nil {
		return s.reserve(ctx, r)
	}
	return &inventoryv1.ReserveResponse{Server: s.name}, nil
}

func (s *server) Watch(r *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
	if s.watch != nil {
		return s.watch(r, w)
	}
	return w.Send(&inventoryv1.WatchResponse{Revision: 1, Server: s.name})
}

func (s *server) KeepAlive(k inventoryv1.Inventory_KeepAliveServer) error {
	if s.keep != nil {
		return s.keep(k)
	}
	for {
		r, err := k.Recv()
		if err != nil {
			return nil //nolint:nilerr // the end, however it came about
		}
		if err := k.Send(&inventoryv1.KeepAliveResponse{LeaseId: r.GetLeaseId(), TtlMs: r.GetTtlMs(), Server: s.name}); err != nil {
			return err
		}
	}
}

// start serves on a new listener.
func (s *server) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lis = memnet.Listen(1 << 16)
	s.grpc = grpc.NewServer(s.options...)
	s.open = make(map[*pipe]bool)
	inventoryv1.RegisterInventoryServer(s.grpc, s)
	lis, g := s.lis, s.grpc
	go func() { _ = g.Serve(lis) }()
}

// kill cuts every connection, as kill -9 does, and refuses new ones. What the
// server does after that reaches nobody.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.lis.Close()
	for p := range s.open {
		_ = p.Close()
	}
	s.open = nil
}

// hang swallows what is sent in either direction on every connection.
func (s *server) hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung = true
	for p := range s.open {
		p.hung.Store(true)
	}
}

func (s *server) dial(ctx context.Context) (net.Conn, error) {
	if s.slowDial > 0 {
		<-time.After(s.slowDial)
	}
	s.mu.Lock()
	lis, hung := s.lis, s.hung
	s.mu.Unlock()
	conn, err := lis.DialContext(ctx)
	if hung { // its kernel accepts, and that is all
		_ = conn.Close()
		conn, _ = net.Pipe()
	}
	if err != nil {
		return nil, err
	}
	p := &pipe{Conn: conn}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		_ = conn.Close()
		return nil, errors.New("connection refused")
	}
	p.hung.Store(hung)
	s.open[p] = true
	return p, nil
}

// A pipe is the client's end of a connection that can hang.
type pipe struct {
	net.Conn
	hung atomic.Bool
}

func (p *pipe) Read(b []byte) (int, error) {
	for {
		n, err := p.Conn.Read(b)
		if err != nil || !p.hung.Load() {
			return n, err
		}
	}
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.hung.Load() {
		return len(b), nil
	}
	return p.Conn.Write(b)
}

// A world is a fleet of servers and a client of it.
type world struct {
	t       *testing.T
	servers []*server
	names   *manual.Resolver
	client  *surefoot.Client
	stub    inventoryv1.InventoryClient

	mu       sync.Mutex
	calls    []observe.Call
	attempts []observe.Attempt
	changes  []observe.EndpointChange
	breakers []observe.BreakerChange
}

// newWorld starts n servers and a client. setup changes the servers before
// they start. Use it inside synctest.Test; close it before the bubble ends.
func newWorld(t *testing.T, n int, setup func(*server), opts ...surefoot.ClientOption) *world {
	t.Helper()
	w := &world{t: t, names: manual.NewBuilderWithScheme("fleet")}
	byAddr := make(map[string]*server)
	for i := range n {
		s := &server{name: string(rune('a' + i))}
		if setup != nil {
			setup(s)
		}
		s.start()
		w.servers = append(w.servers, s)
		byAddr[s.name] = s
	}
	w.names.InitialState(w.state(w.servers...))
	opts = append([]surefoot.ClientOption{
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithObserver(w.observer()),
		surefoot.WithDialOptions(
			grpc.WithResolvers(w.names),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
				if s := byAddr[addr]; s != nil {
					return s.dial(ctx)
				}
				<-ctx.Done() // an address that nobody answers at
				return nil, ctx.Err()
			}),
		),
	}, opts...)
	client, err := surefoot.NewClient("fleet:///inventory", opts...)
	if err != nil {
		t.Fatal(err)
	}
	w.client, w.stub = client, inventoryv1.NewInventoryClient(client)
	return w
}

func (w *world) state(servers ...*server) resolver.State {
	var st resolver.State
	for _, s := range servers {
		st.Endpoints = append(st.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: s.name}}})
	}
	return st
}

func (w *world) close() {
	if err := w.client.Close(); err != nil {
		w.t.Error(err)
	}
	for _, s := range w.servers {
		s.grpc.Stop()
	}
}

func (w *world) observer() *observe.Observer {
	return &observe.Observer{
		AttemptDone: func(_ context.Context, _ string, a observe.Attempt) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.attempts = append(w.attempts, a)
		},
		CallDone: func(_ context.Context, c observe.Call) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, c)
		},
		Endpoint: func(e observe.EndpointChange) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changes = append(w.changes, e)
		},
		Breaker: func(b observe.BreakerChange) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.breakers = append(w.breakers, b)
		},
	}
}

func (w *world) seen() (calls []observe.Call, attempts []observe.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls, w.attempts
}

// warm makes calls until every server was asked, so that all are connected.
func (w *world) warm() {
	w.t.Helper()
	for range 1000 {
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		_, err := w.stub.Get(ctx, &inventoryv1.GetRequest{Sku: "warm"})
		cancel()
		if err != nil {
			w.t.Fatalf("warming up: %v", err)
		}
		all := true
		for _, s := range w.servers {
			all = all && s.gets.Load() > 0
		}
		if all {
			w.forget()
			return
		}
		time.Sleep(time.Millisecond) // virtual: lets a coalesced picker be published
	}
	w.t.Fatal("not every server was reached")
}

// forget forgets what was seen so far.
func (w *world) forget() {
	w.mu.Lock()
	w.calls, w.attempts, w.breakers = nil, nil, nil
	w.mu.Unlock()
	for _, s := range w.servers {
		s.gets.Store(0)
		s.applied.Store(0)
	}
}

// trusting returns an option that suspects no connection.
func trusting() surefoot.ClientOption {
	return surefoot.WithHouseDefaults(&surefootv1.Service{Connection: &surefootv1.Connection{Liveness: &surefootv1.Liveness{Off: new(true)}}})
}

// unguarded returns an option that lets every call through.
func unguarded() surefoot.ClientOption {
	return surefoot.WithHouseDefaults(&surefootv1.Service{Defaults: &surefootv1.Method{Breaker: &surefootv1.Breaker{Off: new(true)}}})
}

// problemsTo returns an observer that counts problems.
func problemsTo(n *atomic.Int64) *observe.Observer {
	return &observe.Observer{Problem: func(error) { n.Add(1) }}
}

// contractOf returns an option that changes the inventory's contract.
func contractOf(methods map[string]*surefootv1.MethodContract, service *surefootv1.Service) surefoot.ClientOption {
	return surefoot.WithContract(&surefootv1.Contract{
		ServiceName: "inventory.v1.Inventory", Service: service, Methods: methods,
	})
}
