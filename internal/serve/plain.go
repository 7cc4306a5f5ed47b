package serve

import (
	"context"

	"google.golang.org/grpc"
)

// Plain returns the name of the option of package grpc that o is, if it is one
// that sets the interceptor which grpc-go runs before all chained ones; else "".
// Such a one would stand before the layers of a [Server]: what they refuse as not
// executed it could have worked on. A value of grpc.ServerOption tells nobody what
// it sets, but grpc-go refuses to set this twice.
func Plain(o grpc.ServerOption) string {
	unary := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		return next(ctx, req)
	}
	stream := func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return next(srv, s)
	}
	switch {
	case clash(grpc.UnaryInterceptor(unary), o):
		return "UnaryInterceptor"
	case clash(grpc.StreamInterceptor(stream), o):
		return "StreamInterceptor"
	default:
		return ""
	}
}

// clash reports whether a server cannot have both options.
func clash(a, b grpc.ServerOption) (both bool) {
	defer func() { both = recover() != nil }()
	grpc.NewServer(a, b).Stop()
	return false
}
