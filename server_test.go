package surefoot_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
)

// serving is a server in memory, and how it ends.
type serving struct {
	*surefoot.Server
	lis    *memnet.Listener
	drain  context.CancelFunc
	result chan error // what Serve returned
}

func serveInMemory(t *testing.T, register ...func(*surefoot.Server)) *serving {
	t.Helper()
	server, err := surefoot.NewServer(surefoot.WithInsecure(), surefoot.WithDrainTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range register {
		f(server)
	}
	s := &serving{Server: server, lis: memnet.Listen(64 << 10), result: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	s.drain = cancel
	go func() { s.result <- s.Serve(ctx, s.lis) }()
	return s
}

// watch returns a watch of the server's health, which says SERVING.
func (s *serving) watch(t *testing.T) grpc.ServerStreamingClient[healthpb.HealthCheckResponse] {
	t.Helper()
	conn := dialInMemory(t, s.lis)
	w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	expectHealth(t, w, healthpb.HealthCheckResponse_SERVING)
	return w
}

func expectHealth(t *testing.T, w grpc.ServerStreamingClient[healthpb.HealthCheckResponse], want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	if got, err := w.Recv(); err != nil || got.GetStatus() != want {
		t.Fatalf("the watch says %v, %v, want %v", got, err, want)
	}
}

func TestSetServingIsSeenByAWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t)
		w := s.watch(t)
		s.SetServing("", false)
		expectHealth(t, w, healthpb.HealthCheckResponse_NOT_SERVING)
		s.SetServing("", true)
		expectHealth(t, w, healthpb.HealthCheckResponse_SERVING)
		s.drain()
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestADrainIsToldToTheHealthServiceOfTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := health.NewServer()
		s := serveInMemory(t, func(s *surefoot.Server) { healthpb.RegisterHealthServer(s, own) })
		w := s.watch(t)
		began := time.Now()
		s.drain()
		expectHealth(t, w, healthpb.HealthCheckResponse_NOT_SERVING)
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the drain took %v", took)
		}
		got, err := own.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("it says %v, %v to its owner", got, err)
		}
	})
}

func TestGracefulStopEndsWithAWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t)
		w := s.watch(t)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.GracefulStop()
		}()
		select {
		case <-stopped:
		case <-time.After(time.Hour):
			s.Server.Server.Stop()
			t.Fatal("a watcher holds it for ever")
		}
		expectHealth(t, w, healthpb.HealthCheckResponse_NOT_SERVING)
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestStopTellsTheHealthService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := health.NewServer()
		s := serveInMemory(t, func(s *surefoot.Server) { healthpb.RegisterHealthServer(s, own) })
		s.watch(t)
		s.Stop()
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
		got, err := own.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("health says %v, %v", got, err)
		}
	})
}

// dialInMemory returns a plain grpc-go connection to lis for the time of the test.
func dialInMemory(t *testing.T, lis *memnet.Listener) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
