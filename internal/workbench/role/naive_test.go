package role

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// replies makes an invoker that ends the nth attempt with the nth code, or lets
// it run until its own time is up when the code is DEADLINE_EXCEEDED.
func replies(made *int, ends ...codes.Code) grpc.UnaryInvoker {
	return func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		code := ends[*made]
		*made++
		if code == codes.DeadlineExceeded {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}
		return status.Error(code, "as the test wants it")
	}
}

func TestNaiveLoop(t *testing.T) {
	const timeout, deadline = 250 * time.Millisecond, time.Second
	tests := []struct {
		name     string
		codes    []codes.Code
		deadline time.Duration
		attempts int
		want     codes.Code
		took     time.Duration
	}{
		{"success", []codes.Code{codes.OK}, deadline, 1, codes.OK, 0},
		{"what repeats do not mend", []codes.Code{codes.NotFound}, deadline, 1, codes.NotFound, 0},
		{"repeated at once", []codes.Code{codes.Unavailable, codes.OK}, deadline, 2, codes.OK, 0},
		{"three attempts", []codes.Code{codes.Unavailable, codes.Unavailable, codes.Unavailable}, deadline, 3, codes.Unavailable, 0},
		{"each has its time", []codes.Code{codes.DeadlineExceeded, codes.DeadlineExceeded, codes.OK}, deadline, 3, codes.OK, 2 * timeout},
		{"the caller's ends all", []codes.Code{codes.DeadlineExceeded, codes.DeadlineExceeded}, 300 * time.Millisecond, 2, codes.DeadlineExceeded, 300 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				made, begun := 0, time.Now()
				err := naive(timeout)(ctx, "/s/m", nil, nil, nil, replies(&made, test.codes...))
				if took := time.Since(begun); status.Code(err) != test.want || made != test.attempts || took != test.took {
					t.Errorf("%v after %d attempts and %v, want %v, %d, %v", err, made, took, test.want, test.attempts, test.took)
				}
			})
		})
	}
}

// Nobody who is called this way learns when its caller's caller gives up.
func TestOwnTimeoutForgetsTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		err := ownTimeout(time.Second)(ctx, "/s/m", nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}
