package serve

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthService is what a server says of its health: with grpc-go's health
// service, or with one that the user registered. Both are told when the server
// drains, and the watches of both end then, with NOT_SERVING: a watcher that
// never hangs up would otherwise hold every drain until its time-out.
type healthService struct {
	draining context.Context
	drain    func() // calls Shutdown of what answers and ends the watches

	mu      sync.Mutex
	server  any             // what answers; nobody knows it if it was registered past RegisterService
	serving map[string]bool // what SetServing said before the start; nil after it
}

func newHealthService() *healthService {
	draining, begin := context.WithCancel(context.Background())
	h := &healthService{draining: draining, server: health.NewServer(), serving: make(map[string]bool)}
	h.drain = sync.OnceFunc(func() {
		h.mu.Lock()
		server := h.server
		h.mu.Unlock()
		if s, ok := server.(interface{ Shutdown() }); ok {
			s.Shutdown()
		}
		begin()
	})
	return h
}

// replace makes server what answers, in place of grpc-go's.
func (h *healthService) replace(server any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server = server
}

// register adds grpc-go's service to s, with every service of s as serving,
// unless the user registered one of his own, whose states are his to set. What
// SetServing said holds for either.
func (h *healthService) register(s *grpc.Server) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, taken := s.GetServiceInfo()[healthpb.Health_ServiceDesc.ServiceName]
	if builtIn, ok := h.server.(*health.Server); ok && !taken {
		healthpb.RegisterHealthServer(s, builtIn)
		for name := range s.GetServiceInfo() {
			h.set(name, true)
		}
	}
	for name, serving := range h.serving {
		h.set(name, serving)
	}
	h.serving = nil
}

// setServing says whether service is serving, now or from the start on.
func (h *healthService) setServing(service string, serving bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.serving != nil {
		h.serving[service] = serving
		return
	}
	h.set(service, serving)
}

// set tells what answers, if it can be told. The caller holds h.mu.
func (h *healthService) set(service string, serving bool) {
	s, ok := h.server.(interface {
		SetServingStatus(string, healthpb.HealthCheckResponse_ServingStatus)
	})
	if !ok {
		return
	}
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		state = healthpb.HealthCheckResponse_SERVING
	}
	s.SetServingStatus(service, state)
}

// stream ends a watch when the server drains. The last state that it sends is
// NOT_SERVING then.
func (h *healthService) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.FullMethod != healthpb.Health_Watch_FullMethodName {
		return next(srv, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(h.draining, cancel)()
	err := next(srv, &watch{stream, ctx})
	if h.draining.Err() == nil {
		return err
	}
	if err := stream.SendMsg(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}); err != nil {
		return err
	}
	return status.Error(codes.Unavailable, "surefoot: the server is draining")
}

// watch is a watcher's stream that ends when the server drains.
type watch struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is done when the watcher hangs up or the server drains.
func (w *watch) Context() context.Context { return w.ctx }
