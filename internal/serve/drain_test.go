package serve_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
	"github.com/surefoot-rpc/surefoot/internal/serve"
)

// blocking returns a backend whose second and later Gets wait for release or
// for their context, and a channel on which each of them says that it waits.
func blocking() (b *backend, waiting chan struct{}, release chan struct{}) {
	waiting, release = make(chan struct{}, 10), make(chan struct{})
	first := make(chan struct{}, 1)
	first <- struct{}{}
	return &backend{get: func(ctx context.Context) error {
		select {
		case <-first: // the call that dial makes
			return nil
		default:
		}
		waiting <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, waiting, release
}

func TestDrainLetsRunningCallFinishAndRefusesNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, release := blocking()
		s := start(t, serve.Config{DrainTimeout: time.Minute}, b)
		conn := s.dial(t)
		running := make(chan error, 1)
		go func() { running <- get(t.Context(), conn) }()
		<-waiting

		s.drain()
		synctest.Wait()
		if err := get(t.Context(), conn); status.Code(err) != codes.Unavailable {
			t.Errorf("a new call while draining: %v, want UNAVAILABLE", err)
		}
		if len(waiting) != 0 {
			t.Error("the new call reached a handler")
		}
		pass(t, 30*time.Second)
		select {
		case err := <-s.result:
			t.Fatalf("Serve returned %v while a call was running", err)
		default:
		}
		close(release)
		if err := <-running; err != nil {
			t.Errorf("the running call: %v", err)
		}
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestDrainDeadlineCutsStuckCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, _ := blocking()
		b.watch = func(stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
			waiting <- struct{}{}
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		s := start(t, serve.Config{DrainTimeout: 10 * time.Second}, b)
		conn := s.dial(t)
		unary, streaming := make(chan error, 1), make(chan error, 1)
		go func() { unary <- get(t.Context(), conn) }()
		go func() {
			stream, err := inventoryv1.NewInventoryClient(conn).Watch(t.Context(), &inventoryv1.WatchRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			streaming <- err
		}()
		<-waiting
		<-waiting

		began := time.Now()
		s.drain()
		err := <-s.result
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("Serve returned after %v, want 10s", took)
		}
		var cut *serve.CutError
		if !errors.As(err, &cut) || cut.Calls != 2 {
			t.Fatalf("Serve: %v, want a CutError of 2 calls", err)
		}
		want := "surefoot: server: 2 calls were still running after a drain of 10s and cut: " +
			"raise the drain timeout, or let handlers end when their context is done"
		if err.Error() != want {
			t.Errorf("got  %q\nwant %q", err, want)
		}
		for _, err := range []error{<-unary, <-streaming} {
			if status.Code(err) != codes.Unavailable {
				t.Errorf("a cut call ended with %v, want UNAVAILABLE", err)
			}
		}
	})
}

func TestDrainIsBoundedWhenHandlerIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting, release := make(chan struct{}, 1), make(chan struct{})
		defer close(release)
		s := start(t, serve.Config{DrainTimeout: 10 * time.Second}, &backend{
			watch: func(grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
				waiting <- struct{}{}
				<-release
				return nil
			},
		})
		if _, err := inventoryv1.NewInventoryClient(s.dial(t)).Watch(t.Context(), &inventoryv1.WatchRequest{}); err != nil {
			t.Fatal(err)
		}
		<-waiting
		began := time.Now()
		s.drain()
		err := <-s.result
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("Serve returned after %v, want 10s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "1 call was still running") {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestDrainDoesNotWaitForSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, release := blocking()
		s := start(t, serve.Config{DrainTimeout: 10 * time.Second}, b)
		conn := s.dial(t)
		silent, err := s.lis.DialContext(t.Context()) // connects, and then says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = silent.Close() }()
		running := make(chan error, 1)
		go func() { running <- get(t.Context(), conn) }()
		<-waiting
		s.drain()
		pass(t, 8*time.Second)
		close(release)
		if err := <-running; err != nil {
			t.Errorf("the running call: %v", err)
		}
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestServeOnTwoListenersDrainsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{DrainTimeout: time.Second}, &backend{})
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- s.Serve(t.Context(), memnet.Listen(1<<10)) }()
		synctest.Wait()
		s.drain()
		for _, err := range []error{<-s.result, <-second} {
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	})
}

// Each Serve has a context of its own; whichever ends first, both say what was cut.
func TestEveryServeSaysWhatTheDrainCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, _ := blocking()
		s := start(t, serve.Config{DrainTimeout: 10 * time.Second}, b)
		second := make(chan error, 1)
		go func() { second <- s.Serve(t.Context(), memnet.Listen(1<<10)) }()
		conn := s.dial(t)
		go func() { _ = get(t.Context(), conn) }()
		<-waiting
		s.drain()
		for which, err := range []error{<-s.result, <-second} {
			var cut *serve.CutError
			if !errors.As(err, &cut) || cut.Calls != 1 {
				t.Errorf("Serve %d: %v, want a CutError of 1 call", which, err)
			}
		}
	})
}

func TestServeEndsWithItsListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{DrainTimeout: time.Second}, &backend{})
		conn := s.dial(t)
		_ = s.lis.Close()
		if err := <-s.result; err == nil || !strings.Contains(err.Error(), "surefoot: server: ") {
			t.Errorf("Serve: %v, want the listener's error", err)
		}
		if err := get(t.Context(), conn); status.Code(err) != codes.Unavailable {
			t.Errorf("a call after the end: %v", err)
		}
	})
}

func TestServeDoesNotServeWhenContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		lis := memnet.Listen(1 << 10)
		if err := serve.New(serve.Config{DrainTimeout: time.Hour}).Serve(ctx, lis); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := lis.DialContext(t.Context()); err == nil {
			t.Error("the listener is still open")
		}
	})
}

func TestRunSaysWhichAddressIsTaken(t *testing.T) {
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	err = serve.New(serve.Config{}).Run(t.Context(), lis.Addr().String())
	if err == nil || !strings.Contains(err.Error(), lis.Addr().String()) {
		t.Errorf("Run: %v, want an error that names %v", err, lis.Addr())
	}
}

func TestGracefulStopEndsHealthWatchesAndWaitsForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, release := blocking()
		s := start(t, serve.Config{DrainTimeout: time.Second}, b)
		conn := s.dial(t)
		w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		expectState(t, w, healthpb.HealthCheckResponse_SERVING)
		running := make(chan error, 1)
		go func() { running <- get(t.Context(), conn) }()
		<-waiting
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.GracefulStop()
		}()
		expectState(t, w, healthpb.HealthCheckResponse_NOT_SERVING)
		expectEnd(t, w)
		pass(t, 30*time.Second)
		close(release)
		if err := <-running; err != nil {
			t.Errorf("the running call: %v", err)
		}
		select {
		case <-stopped:
		case <-time.After(time.Minute):
			t.Fatal("GracefulStop hangs")
		}
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestStopIsHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, _ := blocking()
		own := health.NewServer()
		s := start(t, serve.Config{DrainTimeout: time.Hour}, b, func(s *serve.Server) { healthpb.RegisterHealthServer(s, own) })
		conn := s.dial(t)
		running := make(chan error, 1)
		go func() { running <- get(t.Context(), conn) }()
		<-waiting
		began := time.Now()
		s.Stop()
		if err := <-running; status.Code(err) != codes.Unavailable {
			t.Errorf("the running call: %v, want UNAVAILABLE", err)
		}
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		got, err := own.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("health says %v, %v", got, err)
		}
	})
}
