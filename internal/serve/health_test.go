package serve_test

import (
	"context"
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

// The user's own health service, grpc-go's or one that knows nothing of drains,
// says NOT_SERVING while the server drains, and no watch of it holds the drain.
func TestDrainWithAHealthServiceOfTheUser(t *testing.T) {
	for name, own := range map[string]healthpb.HealthServer{"grpc-go's": health.NewServer(), "a plain one": &plainHealth{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, waiting, release := blocking()
				s := start(t, serve.Config{DrainTimeout: time.Hour}, b, func(s *serve.Server) { healthpb.RegisterHealthServer(s, own) })
				conn := s.dial(t)
				w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
				if err != nil {
					t.Fatal(err)
				}
				expectState(t, w, healthpb.HealthCheckResponse_SERVING)
				running := make(chan error, 1)
				go func() { running <- get(t.Context(), conn) }()
				<-waiting
				began := time.Now()
				s.drain()
				expectState(t, w, healthpb.HealthCheckResponse_NOT_SERVING)
				expectEnd(t, w)
				if got, err := own.Check(t.Context(), &healthpb.HealthCheckRequest{}); name == "grpc-go's" && got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
					t.Errorf("it says %v, %v to its owner", got, err)
				}
				close(release)
				if err := <-running; err != nil {
					t.Errorf("the running call: %v", err)
				}
				if err := <-s.result; err != nil {
					t.Errorf("Serve: %v", err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("the drain took %v", took)
				}
			})
		})
	}
}

// A watch that ignores its context cannot be ended before the time-out, but no
// call of anybody was cut.
func TestAHealthWatchIsNotCountedAsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		s := start(t, serve.Config{DrainTimeout: time.Second}, &backend{}, func(s *serve.Server) {
			healthpb.RegisterHealthServer(s, &plainHealth{ignore: release})
		})
		w, err := healthpb.NewHealthClient(s.dial(t)).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		expectState(t, w, healthpb.HealthCheckResponse_SERVING)
		s.drain()
		if err := <-s.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestSetServing(t *testing.T) {
	for name, register := range map[string]func(*serve.Server){
		"built in":   func(*serve.Server) {},
		"the user's": func(s *serve.Server) { healthpb.RegisterHealthServer(s, health.NewServer()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, serve.Config{}, &backend{}, register, func(s *serve.Server) {
					s.SetServing("warming.Up", false)
					s.SetServing("inventory.v1.Inventory", false)
				})
				client := healthpb.NewHealthClient(s.dial(t))
				expect := func(service string, want healthpb.HealthCheckResponse_ServingStatus) {
					t.Helper()
					got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
					if err != nil || got.GetStatus() != want {
						t.Errorf("%q: %v, %v, want %v", service, got, err, want)
					}
				}
				expect("", healthpb.HealthCheckResponse_SERVING)
				expect("warming.Up", healthpb.HealthCheckResponse_NOT_SERVING)
				expect("inventory.v1.Inventory", healthpb.HealthCheckResponse_NOT_SERVING)
				s.SetServing("inventory.v1.Inventory", true)
				s.SetServing("", false)
				expect("inventory.v1.Inventory", healthpb.HealthCheckResponse_SERVING)
				expect("", healthpb.HealthCheckResponse_NOT_SERVING)
			})
		})
	}
}

func TestADrainStandsBeforeSetServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, waiting, release := blocking()
		s := start(t, serve.Config{DrainTimeout: time.Hour}, b)
		conn := s.dial(t)
		w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		expectState(t, w, healthpb.HealthCheckResponse_SERVING)
		go func() { _ = get(t.Context(), conn) }()
		<-waiting
		s.drain()
		s.SetServing("", true)
		expectState(t, w, healthpb.HealthCheckResponse_NOT_SERVING)
		expectEnd(t, w)
		close(release)
	})
}

// plainHealth always serves, and its watches last until their context is done
// or, if it ignores that, until something is received from ignore.
type plainHealth struct {
	healthpb.UnimplementedHealthServer
	ignore chan struct{}
}

func (p *plainHealth) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (p *plainHealth) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	if err := stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}); err != nil {
		return err
	}
	if p.ignore != nil {
		<-p.ignore
		return nil
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// expectState fails t unless the next state of w is want.
func expectState(t *testing.T, w grpc.ServerStreamingClient[healthpb.HealthCheckResponse], want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	if got, err := w.Recv(); err != nil || got.GetStatus() != want {
		t.Fatalf("the watch says %v, %v, want %v", got, err, want)
	}
}

// expectEnd fails t unless w says nothing but NOT_SERVING until it ends with
// UNAVAILABLE.
func expectEnd(t *testing.T, w grpc.ServerStreamingClient[healthpb.HealthCheckResponse]) {
	t.Helper()
	for {
		got, err := w.Recv()
		if status.Code(err) == codes.Unavailable {
			return
		}
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Fatalf("the watch says %v, %v, want its end", got, err)
		}
	}
}
