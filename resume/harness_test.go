package resume_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
	"github.com/surefoot-rpc/surefoot/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A node is one server, whose connections can be cut and can hang.
type node struct {
	name    string
	service inventoryv1.InventoryServer

	mu    sync.Mutex
	lis   *memnet.Listener
	grpc  *grpc.Server
	conns map[*wire]bool
	hung  bool
}

func (n *node) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lis, n.grpc, n.conns, n.hung = memnet.Listen(1<<16), grpc.NewServer(), make(map[*wire]bool), false
	inventoryv1.RegisterInventoryServer(n.grpc, n.service)
	lis, g := n.lis, n.grpc
	go func() { _ = g.Serve(lis) }()
}

// kill cuts all connections, as kill -9 does.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
	n.grpc.Stop()
}

// drain ends streams as a graceful stop with a deadline does: GOAWAY, then cut.
func (n *node) drain() {
	stop := time.AfterFunc(50*time.Millisecond, n.grpc.Stop)
	n.grpc.GracefulStop()
	stop.Stop()
}

// hang holds up what is sent in either direction.
func (n *node) hang(hung bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hung = hung
	for c := range n.conns {
		c.hang(hung)
	}
}

func (n *node) dial(ctx context.Context) (net.Conn, error) {
	n.mu.Lock()
	lis, hung, down := n.lis, n.hung, n.conns == nil
	n.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	conn, err := lis.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	c := newWire(conn)
	c.hang(hung)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns == nil {
		_ = conn.Close()
		return nil, errors.New("connection refused")
	}
	n.conns[c] = true
	return c, nil
}

// A wire is a connection that can hang: what is sent in either direction
// meanwhile arrives when it is well again.
type wire struct {
	net.Conn

	mu      sync.Mutex
	well    chan struct{} // closed while it does not hang
	pending []byte
	closed  chan struct{}
	once    sync.Once
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, well: make(chan struct{}), closed: make(chan struct{})}
	close(w.well)
	return w
}

func (w *wire) hang(hung bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.well:
		if hung {
			w.well = make(chan struct{})
		}
	default:
		if !hung {
			close(w.well)
			_, _ = w.Conn.Write(w.pending)
			w.pending = nil
		}
	}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.mu.Lock()
	well := w.well
	w.mu.Unlock()
	select {
	case <-well:
		return n, err
	case <-w.closed:
		return 0, net.ErrClosed
	}
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.well:
		return w.Conn.Write(b)
	default:
		w.pending = append(w.pending, b...)
		return len(b), nil
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

// A fleet is some nodes of one inventory, and a client of them.
type fleet struct {
	t     *testing.T
	store *inventory.Service
	nodes []*node
	stub  inventoryv1.InventoryClient
	close func()

	mu       sync.Mutex
	attempts []observe.Attempt
}

// newFleet starts n nodes. wrap may change what they do. Use it in
// synctest.Test, and close it before the bubble ends.
func newFleet(t *testing.T, n int, wrap func(inventoryv1.InventoryServer) inventoryv1.InventoryServer, opts ...surefoot.ClientOption) *fleet {
	t.Helper()
	f := &fleet{t: t, store: inventory.New("a")}
	byName := make(map[string]*node)
	target := "static:///"
	for i := range n {
		name := string(rune('a' + i))
		var s inventoryv1.InventoryServer = f.store.Replica(name)
		if wrap != nil {
			s = wrap(s)
		}
		node := &node{name: name, service: s}
		node.start()
		f.nodes = append(f.nodes, node)
		byName[name+":1"] = node
		if i > 0 {
			target += ","
		}
		target += name + ":1"
	}
	client, err := surefoot.NewClient(target, append([]surefoot.ClientOption{
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithObserver(&observe.Observer{AttemptDone: func(_ context.Context, _ string, a observe.Attempt) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.attempts = append(f.attempts, a)
		}}),
		surefoot.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return byName[addr].dial(ctx)
		})),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	f.stub = inventoryv1.NewInventoryClient(client)
	f.close = func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		for _, n := range f.nodes {
			n.grpc.Stop()
		}
	}
	f.warm()
	return f
}

// warm makes calls until all nodes are connected.
func (f *fleet) warm() {
	f.t.Helper()
	seen := make(map[string]bool)
	for range 1000 {
		r, err := f.stub.Get(f.t.Context(), &inventoryv1.GetRequest{Sku: "bolt"})
		if err != nil {
			f.t.Fatal(err)
		}
		if seen[r.GetServer()] = true; len(seen) == len(f.nodes) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	f.t.Fatal("not every node was reached")
}

// change makes one more revision.
func (f *fleet) change() {
	f.t.Helper()
	_, err := f.store.Reserve(f.t.Context(), &inventoryv1.ReserveRequest{Sku: "bolt", Count: 1, ReservationId: "x"})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) node(name string) *node {
	for _, n := range f.nodes {
		if n.name == name {
			return n
		}
	}
	f.t.Fatalf("no node %q", name)
	return nil
}

// A plain is a client that is not Surefoot's.
type plain struct {
	stub  inventoryv1.InventoryClient
	close func()
}

func plainStub(t *testing.T, n *node) plain {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Millisecond, MaxDelay: time.Millisecond}, MinConnectTimeout: time.Second}),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return n.dial(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return plain{inventoryv1.NewInventoryClient(conn), func() { _ = conn.Close() }}
}
