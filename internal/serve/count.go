package serve

import (
	"context"

	"google.golang.org/grpc"
)

// countUnary counts a unary call while it runs.
func (s *Server) countUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.running.n.Add(1)
	defer s.running.n.Add(-1)
	return next(ctx, req)
}

// countStream counts a streaming call while it runs.
func (s *Server) countStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s.running.n.Add(1)
	defer s.running.n.Add(-1)
	return next(srv, stream)
}
