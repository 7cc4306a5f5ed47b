package serve_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/serve"
)

func TestHealthOfEveryService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{}, &backend{}, func(s *serve.Server) { reflection.Register(s) })
		client := healthpb.NewHealthClient(s.dial(t))
		for _, name := range []string{"", "inventory.v1.Inventory", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} {
			got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("%q: %v, %v", name, got, err)
			}
		}
		_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "unheard.Of"})
		if status.Code(err) != codes.NotFound {
			t.Errorf("an unknown service: %v", err)
		}
	})
}

func TestHealthWatchesEndWithTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{DrainTimeout: time.Hour}, &backend{})
		client := healthpb.NewHealthClient(s.dial(t))
		var watches []grpc.ServerStreamingClient[healthpb.HealthCheckResponse]
		for _, name := range []string{"", "inventory.v1.Inventory", "unheard.Of"} {
			w, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Recv(); err != nil {
				t.Fatal(err)
			}
			watches = append(watches, w)
		}
		began := time.Now()
		s.drain()
		for i, w := range watches {
			last := healthpb.HealthCheckResponse_UNKNOWN
			var err error
			for err == nil {
				var got *healthpb.HealthCheckResponse
				if got, err = w.Recv(); err == nil {
					last = got.GetStatus()
				}
			}
			if last != healthpb.HealthCheckResponse_NOT_SERVING || status.Code(err) != codes.Unavailable {
				t.Errorf("watch %d ended with %v after %v, want UNAVAILABLE after NOT_SERVING", i, err, last)
			}
		}
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the drain took %v", took)
		}
	})
}

func TestHealthOfTheUserIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := health.NewServer()
		own.SetServingStatus("own", healthpb.HealthCheckResponse_NOT_SERVING)
		s := start(t, serve.Config{}, &backend{}, func(s *serve.Server) { healthpb.RegisterHealthServer(s, own) })
		client := healthpb.NewHealthClient(s.dial(t))
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "own"})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("the user's own state: %v, %v", got, err)
		}
		_, err = client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "inventory.v1.Inventory"})
		if status.Code(err) != codes.NotFound {
			t.Errorf("a service of which the user's health service knows nothing: %v", err)
		}
	})
}
