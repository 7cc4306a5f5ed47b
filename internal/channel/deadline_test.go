package channel_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// The peer is told of the time that is left in whole milliseconds, never of more
// than there is, and exactly of less than a tenth of a second.
func TestTimeLeftIsToldInWholeMilliseconds(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct{ left, told time.Duration }{
		{time.Second, time.Second},
		{time.Second - us, 999 * time.Millisecond},
		{999001 * us, 999 * time.Millisecond},
		{123456 * us, 123 * time.Millisecond},
		{99999 * us, 99999 * us},
		{5 * us, 5 * us},
	} {
		t.Run(c.left.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told time.Duration
				w := newWorld(t, 1, func(s *server) {
					s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
						deadline, _ := ctx.Deadline()
						told = time.Until(deadline)
						return &inventoryv1.GetResponse{}, nil
					}
				})
				defer w.close()
				w.warm()
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				if _, err := w.stub.Get(ctx, getRequest); err != nil || told != c.told {
					t.Errorf("told of %v, want %v; %v", told, c.told, err)
				}
			})
		})
	}
}

// A server that ends the call by the time that it was told of has ended it in
// time: nothing is repeated, and the call has expired.
func TestAServerMayEndACallByTheTimeItWasToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				<-ctx.Done()
				return nil, status.FromContextError(ctx.Err()).Err()
			}
		})
		defer w.close()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond+500*time.Microsecond)
		defer cancel()
		start := time.Now()
		_, err := w.stub.Get(ctx, getRequest)
		if took := time.Since(start); took < 200*time.Millisecond || took > 201*time.Millisecond {
			t.Errorf("the call took %v", took)
		}
		var ce *surefoot.CallError
		if status.Code(err) != codes.DeadlineExceeded || !errors.As(err, &ce) {
			t.Fatal(err)
		}
		if n := len(ce.Call.Attempts); n != 1 || ce.Call.Attempts[0].Verdict != "expired" {
			t.Errorf("%d attempts: %+v", n, ce.Call.Attempts)
		}
	})
}

// The deadline that an attempt's context says does not change, whoever asks for
// it and when.
func TestAnAttemptHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []time.Time
		w := newWorld(t, 1, func(s *server) {
			s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				d, _ := ctx.Deadline()
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, d)
				return &inventoryv1.GetResponse{}, nil
			}
		}, surefoot.WithAttemptInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			for range 2 {
				d, _ := ctx.Deadline()
				mu.Lock()
				seen = append(seen, d)
				mu.Unlock()
				time.Sleep(300 * time.Microsecond)
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		}, nil))
		defer w.close()
		w.warm()
		seen = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second-time.Microsecond)
		defer cancel()
		if _, err := w.stub.Get(ctx, getRequest); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 3 || !seen[1].Equal(seen[0]) || !seen[2].Equal(seen[0]) {
			t.Errorf("deadlines %v", seen)
		}
	})
}
