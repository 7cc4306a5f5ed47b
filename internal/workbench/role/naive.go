package role

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// naiveAttempts is how often the loop of a naive client tries.
const naiveAttempts = 3

// naive repeats a call in a loop, as people write it around a stub: at once,
// whatever the method, when the answer is that nobody is there or that it took
// too long.
func naive(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		for n := 1; ; n++ {
			attempt, cancel := context.WithTimeout(ctx, timeout)
			err := invoker(attempt, method, req, reply, cc, opts...)
			cancel()
			code := status.Code(err)
			if n == naiveAttempts || code != codes.Unavailable && code != codes.DeadlineExceeded || ctx.Err() != nil {
				return err
			}
		}
	}
}

// ownTimeout gives each call a time of its own, whatever its caller's deadline
// is, and goes on when the caller has given up.
func ownTimeout(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		return invoker(ctx, method, req, reply, cc, opts...)
	}
}
