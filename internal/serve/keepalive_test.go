package serve_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/serve"
	"github.com/surefoot-rpc/surefoot/policy"
)

// mostPings are the parameters of the client that pings as often as grpc-go
// lets one ping.
func mostPings() grpc.DialOption {
	return grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time:                policy.MinKeepaliveTime,
		Timeout:             time.Second,
		PermitWithoutStream: true,
	})
}

func TestPingsOfIdleClientAreTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{}, &backend{})
		conn := s.dial(t, mostPings())
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
		defer cancel()
		if conn.WaitForStateChange(ctx, connectivity.Ready) {
			t.Errorf("the connection became %v", conn.GetState())
		}
	})
}

func TestPingsOnSilentStreamAreTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{}, &backend{
			watch: func(stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
				<-stream.Context().Done()
				return stream.Context().Err()
			},
		})
		conn := s.dial(t, mostPings())
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
		defer cancel()
		stream, err := inventoryv1.NewInventoryClient(conn).Watch(ctx, &inventoryv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("the stream ended with %v, want its own deadline", err)
		}
	})
}

// mutable is a connection whose Writes arrive nowhere once it is muted.
type mutable struct {
	net.Conn
	muted *atomic.Bool
}

func (c mutable) Write(p []byte) (int, error) {
	if c.muted.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func TestDeadClientIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var muted atomic.Bool
		s := start(t, serve.Config{}, &backend{})
		conn := s.dial(t, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			c, err := s.lis.DialContext(ctx)
			return mutable{c, &muted}, err
		}))
		muted.Store(true)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if !conn.WaitForStateChange(ctx, connectivity.Ready) {
			t.Fatal("the server kept the connection of a dead client for an hour")
		}
		if took := time.Since(began); took > 81*time.Second {
			t.Errorf("the server kept the connection of a dead client for %v", took)
		}
	})
}

// connections counts the connections that a server accepted.
type connections struct{ begun atomic.Int64 }

func (*connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*connections) HandleRPC(context.Context, stats.RPCStats)                         {}
func (*connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *connections) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.begun.Add(1)
	}
}

func TestMaxAgeCostsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen connections
		cfg := serve.Config{Options: []grpc.ServerOption{grpc.StatsHandler(&seen)}}
		cfg.Channel.Connection.MaxAge = 30 * time.Second
		s := start(t, cfg, &backend{})
		conn := s.dial(t)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		const calls = 7200
		for i := range calls {
			<-tick.C
			if err := get(t.Context(), conn); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		// An hour of connections of 27 to 33 seconds.
		if n := seen.begun.Load(); n < 100 || n > 140 {
			t.Errorf("%d connections, want one each 30 s", n)
		}
	})
}

func TestMaxAgeDoesNotCutLongCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, release := blocking()
		cfg := serve.Config{}
		cfg.Channel.Connection.MaxAge = 5 * time.Second
		s := start(t, cfg, b)
		conn := s.dial(t)
		long := make(chan error, 1)
		go func() { long <- get(t.Context(), conn) }()
		<-waiting
		pass(t, 50*time.Second)
		close(release)
		if err := <-long; err != nil {
			t.Errorf("a call ten times as long as its connection's age: %v", err)
		}
	})
}
