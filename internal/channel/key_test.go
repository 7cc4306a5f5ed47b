package channel_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// keyed returns an option that has the house look for keys of calls in a header.
func keyed() surefoot.ClientOption {
	return surefoot.WithHouseDefaults(&surefootv1.Service{Defaults: &surefootv1.Method{
		IdempotencyKey: &surefootv1.IdempotencyKey{Place: &surefootv1.IdempotencyKey_Header{Header: "idempotency-key"}},
	}})
}

// Every server is down for the first attempt of a write: a call with a key of its
// own is repeated, with the same key, and one without is not.
func TestACallThatBringsAKeyIsRepeated(t *testing.T) {
	outgoing := func(key string) func(context.Context) context.Context {
		return func(ctx context.Context) context.Context {
			return metadata.AppendToOutgoingContext(ctx, "idempotency-key", key)
		}
	}
	as := func(ctx context.Context) context.Context { return ctx }
	for _, c := range []struct {
		name string
		ctx  func(context.Context) context.Context
		opts []grpc.CallOption
		key  string
	}{
		{name: "no key", ctx: as},
		{name: "an empty key", ctx: outgoing("")},
		{name: "an empty key as an option", ctx: as, opts: []grpc.CallOption{call.WithIdempotencyKey("")}},
		{name: "a key in the header", ctx: outgoing("k1"), key: "k1"},
		{name: "a key as an option", ctx: as, opts: []grpc.CallOption{call.WithIdempotencyKey("k2")}, key: "k2"},
		{name: "the option stands before the header", ctx: outgoing("k1"), opts: []grpc.CallOption{call.WithIdempotencyKey("k2")}, key: "k2"},
		{name: "no repeats for the call", ctx: outgoing("k1"), opts: []grpc.CallOption{call.NoRetry()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var keys [][]string
				w := newWorld(t, 3, func(s *server) {
					s.reserve = func(ctx context.Context, _ *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
						md, _ := metadata.FromIncomingContext(ctx)
						mu.Lock()
						defer mu.Unlock()
						if keys = append(keys, md.Get("idempotency-key")); len(keys) == 1 {
							return nil, status.Error(codes.Unavailable, "not now")
						}
						return &inventoryv1.ReserveResponse{}, nil
					}
				}, keyed())
				defer w.close()
				w.warm()
				_, err := w.stub.Reserve(c.ctx(t.Context()), &inventoryv1.ReserveRequest{}, c.opts...)
				if c.key == "" {
					if status.Code(err) != codes.Unavailable || len(keys) != 1 {
						t.Fatalf("%v after %d attempts, want the server's error after one", err, len(keys))
					}
					return
				}
				if err != nil || len(keys) != 2 || !slices.Equal(keys[0], []string{c.key}) || !slices.Equal(keys[1], keys[0]) {
					t.Errorf("%v, keys %q: want two attempts with %q", err, keys, c.key)
				}
			})
		})
	}
}

// A key that would not be sent is told: the caller counts on it.
func TestAKeyWithoutAHeaderIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil)
		defer w.close()
		w.warm()
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, call.WithIdempotencyKey("k"))
		var ce *surefoot.CallError
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "surefoot: ") || !errors.As(err, &ce) ||
			len(ce.Call.Attempts) != 0 || ce.MayHaveBeenApplied() || w.servers[0].applied.Load() != 0 {
			t.Errorf("%v, applied %d", err, w.servers[0].applied.Load())
		}
		_, err = w.stub.Watch(t.Context(), &inventoryv1.WatchRequest{}, call.WithIdempotencyKey("k"))
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("a stream: %v", err)
		}
	})
}

// An interceptor of attempts that replaces what is sent takes the key away by
// which the write is repeated: nothing is sent rather than applied twice.
func TestAKeyThatAnInterceptorTakesAwayIsAnError(t *testing.T) {
	for name, change := range map[string]func(context.Context) context.Context{
		"away": func(ctx context.Context) context.Context {
			return metadata.NewOutgoingContext(ctx, metadata.Pairs("authorization", "token"))
		},
		"and brings another one": func(ctx context.Context) context.Context {
			return metadata.NewOutgoingContext(ctx, metadata.Pairs("idempotency-key", "other"))
		},
		"and leaves it": func(ctx context.Context) context.Context {
			return metadata.AppendToOutgoingContext(ctx, "authorization", "token")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3, func(s *server) {
					s.reserve = func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
						return nil, status.Error(codes.Unavailable, "the reply is lost")
					}
				}, keyed(), surefoot.WithAttemptInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					return invoker(change(ctx), method, req, reply, cc, opts...)
				}, nil))
				defer w.close()
				w.warm()
				_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, call.WithIdempotencyKey("k"))
				var applied int64
				for _, s := range w.servers {
					applied += s.applied.Load()
				}
				if name == "and leaves it" {
					if applied != 3 || status.Code(err) != codes.Unavailable {
						t.Errorf("applied %d times, %v", applied, err)
					}
					return
				}
				var ce *surefoot.CallError
				if applied != 0 || status.Code(err) != codes.Internal || !errors.As(err, &ce) || ce.MayHaveBeenApplied() || !strings.Contains(err.Error(), "idempotency-key") {
					t.Errorf("applied %d times without its key, %v", applied, err)
				}
			})
		})
	}
}

// One that leaves the call's context behind may send anything: what it did is not
// repeated.
func TestAKeyIsNotTrustedWhereAnInterceptorGoesItsOwnWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.reserve = func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				return nil, status.Error(codes.Unavailable, "the reply is lost")
			}
		}, keyed(), surefoot.WithAttemptInterceptor(func(_ context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoker(context.Background(), method, req, reply, cc, opts...)
		}, nil))
		defer w.close()
		w.warm()
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, call.WithIdempotencyKey("k"))
		var applied int64
		for _, s := range w.servers {
			applied += s.applied.Load()
		}
		var ce *surefoot.CallError
		if applied != 1 || status.Code(err) != codes.Unavailable || !errors.As(err, &ce) || !ce.MayHaveBeenApplied() {
			t.Errorf("applied %d times, %v", applied, err)
		}
	})
}

// Two handlers at once with one key is not what a key promises.
func TestACallWithAKeyIsNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.reserve = func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				<-time.After(500 * time.Millisecond)
				return &inventoryv1.ReserveResponse{}, nil
			}
		}, trusting(), surefoot.WithHouseDefaults(&surefootv1.Service{Defaults: &surefootv1.Method{
			IdempotencyKey: &surefootv1.IdempotencyKey{Place: &surefootv1.IdempotencyKey_Header{Header: "idempotency-key"}},
			Hedge:          &surefootv1.Hedge{DelayMs: new(int64(20)), MaxHedges: new(int32(2))},
		}}))
		defer w.close()
		w.warm()
		if _, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, call.WithIdempotencyKey("k")); err != nil {
			t.Fatal(err)
		}
		var applied int64
		for _, s := range w.servers {
			applied += s.applied.Load()
		}
		if applied != 1 {
			t.Errorf("%d handlers ran", applied)
		}
	})
}
