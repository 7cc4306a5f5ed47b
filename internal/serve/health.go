package serve

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthService is grpc-go's health service, except that its watches end with
// the server: a watcher that never hangs up would otherwise hold every drain
// until its time-out.
type healthService struct {
	*health.Server
	draining context.Context
	begin    context.CancelFunc
}

func newHealthService() *healthService {
	draining, begin := context.WithCancel(context.Background())
	return &healthService{Server: health.NewServer(), draining: draining, begin: begin}
}

// register adds the service to s, with every service of s as serving, unless
// the user registered one of his own, whose states are then his to set.
func (h *healthService) register(s *grpc.Server) {
	services := s.GetServiceInfo()
	if _, taken := services[healthpb.Health_ServiceDesc.ServiceName]; taken {
		return
	}
	healthpb.RegisterHealthServer(s, h)
	for name := range s.GetServiceInfo() {
		h.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
}

// drain makes every answer NOT_SERVING and ends the watches.
func (h *healthService) drain() {
	h.Shutdown()
	h.begin()
}

// Watch sends the state of a service and its changes, the last of them
// NOT_SERVING when the server drains.
func (h *healthService) Watch(req *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(h.draining, cancel)()
	err := h.Server.Watch(req, &watch{stream, ctx})
	if h.draining.Err() == nil {
		return err
	}
	if err := stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}); err != nil {
		return err
	}
	return status.Error(codes.Unavailable, "surefoot: the server is draining")
}

// watch is a watcher's stream that ends when the server drains.
type watch struct {
	grpc.ServerStreamingServer[healthpb.HealthCheckResponse]
	ctx context.Context
}

// Context is done when the watcher hangs up or the server drains.
func (w *watch) Context() context.Context { return w.ctx }
