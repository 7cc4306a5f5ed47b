package serve_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
	"github.com/surefoot-rpc/surefoot/internal/serve"
)

// backend is an inventory whose behaviour a test chooses.
type backend struct {
	inventoryv1.UnimplementedInventoryServer
	get   func(context.Context) error
	watch func(grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error
}

func (b *backend) Get(ctx context.Context, req *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	if b.get != nil {
		if err := b.get(ctx); err != nil {
			return nil, err
		}
	}
	return &inventoryv1.GetResponse{Sku: req.GetSku()}, nil
}

func (b *backend) Watch(_ *inventoryv1.WatchRequest, stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
	return b.watch(stream)
}

// served is a server in memory, and how it ends.
type served struct {
	*serve.Server
	lis    *memnet.Listener
	drain  context.CancelFunc
	result chan error // what Serve returned
}

// start serves b with cfg until the test ends.
func start(t *testing.T, cfg serve.Config, b *backend, register ...func(*serve.Server)) *served {
	t.Helper()
	s := &served{Server: serve.New(cfg), lis: memnet.Listen(64 << 10), result: make(chan error, 1)}
	inventoryv1.RegisterInventoryServer(s, b)
	for _, f := range register {
		f(s.Server)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.drain = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.result <- s.Serve(ctx, s.lis)
	}()
	t.Cleanup(func() {
		cancel()
		s.Stop()
		<-done
	})
	return s
}

// dial returns a connection to s, which is ready, for the time of the test.
func (s *served) dial(t *testing.T, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	opts = append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.lis.DialContext(ctx) }),
	}, opts...)
	conn, err := grpc.NewClient("passthrough:///memory", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := get(t.Context(), conn, grpc.WaitForReady(true)); err != nil {
		t.Fatalf("the first call: %v", err)
	}
	// grpc-go serves calls a moment before it says that it is ready.
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if !conn.WaitForStateChange(t.Context(), state) {
			t.Fatalf("the connection stays %v", state)
		}
	}
	return conn
}

// get makes one unary call, of at most a minute.
func get(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := inventoryv1.NewInventoryClient(conn).Get(ctx, &inventoryv1.GetRequest{Sku: "bolt"}, opts...)
	return err
}

// pass waits for d, which costs nothing in a bubble.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test ended")
	}
}
