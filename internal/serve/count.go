package serve

import (
	"context"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// countUnary counts a unary call while it runs.
func (s *Server) countUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.running.n.Add(1)
	defer s.running.n.Add(-1)
	return next(ctx, req)
}

// countStream counts a streaming call while it runs. A health watch has no end
// of its own, so that it is no call that a drain could cut.
func (s *Server) countStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.FullMethod == healthpb.Health_Watch_FullMethodName {
		return next(srv, stream)
	}
	s.running.n.Add(1)
	defer s.running.n.Add(-1)
	return next(srv, stream)
}
