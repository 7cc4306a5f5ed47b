package serve

import "google.golang.org/grpc"

// A layer is one thing that every call passes on its way to its handler.
type layer struct {
	name   string
	reason string // why it is there and not elsewhere
	// Either is nil in a layer that such calls do not pass: each costs a call
	// an allocation.
	unary  grpc.UnaryServerInterceptor
	stream grpc.StreamServerInterceptor
}

// layers returns the layers in the order in which a call meets them. The
// user's own interceptors come after the last, then the handler.
func (s *Server) layers() []layer {
	return []layer{
		{
			"recover", "a panic anywhere below ends one call and not the process",
			s.recoverUnary, s.recoverStream,
		},
		{
			"count", "a drain says how many calls it cut; above the user's interceptors, which may wait too",
			s.countUnary, s.countStream,
		},
		{
			"health", "a drain ends the health watches, with NOT_SERVING, whoever serves them",
			nil, s.health.stream,
		},
		{
			"chain", "what has expired is refused before anybody works on it; above the user's interceptors, which may make calls too, and change the error that is answered",
			s.chainUnary, s.chainStream,
		},
	}
}

// interceptors returns the layers as options of a grpc.Server.
func (s *Server) interceptors() []grpc.ServerOption {
	var unary []grpc.UnaryServerInterceptor
	var stream []grpc.StreamServerInterceptor
	for _, l := range s.layers() {
		if l.unary != nil {
			unary = append(unary, l.unary)
		}
		if l.stream != nil {
			stream = append(stream, l.stream)
		}
	}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(unary...),
		grpc.ChainStreamInterceptor(stream...),
	}
}
