package channel_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// keeper keeps the contexts of attempts, as what exports traces may.
type keeper struct {
	mu   sync.Mutex
	kept []context.Context
}

func (k *keeper) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, ctx)
	return ctx
}
func (*keeper) HandleRPC(context.Context, stats.RPCStats)                         {}
func (*keeper) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*keeper) HandleConn(context.Context, stats.ConnStats)                       {}

type callerKey struct{}

// hurried is a contract whose attempts time out after 5 ms and are repeated.
func hurried() surefoot.ClientOption {
	return contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(5))}}}, nil)
}

// The memory of a call is used for another one. A context that somebody keeps knows
// its own caller for ever, and never hears of the other call.
func TestAContextThatIsKeptIsOfItsOwnCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keeper
		w := newWorld(t, 1, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				return &inventoryv1.GetResponse{}, nil
			}
		}, trusting(), hurried(), surefoot.WithDialOptions(grpc.WithStatsHandler(&k)))
		defer w.close()
		const calls = 50
		for i := range calls {
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), callerKey{}, i), time.Second)
			if _, err := w.stub.Get(ctx, getRequest); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.kept) != calls {
			t.Fatalf("%d contexts, want %d", len(k.kept), calls)
		}
		for i, ctx := range k.kept {
			if got := ctx.Value(callerKey{}); got != i || ctx.Err() == nil {
				t.Errorf("call %d: its context is of %v, and has ended: %v", i, got, ctx.Err())
			}
		}
	})
}

// Calls that succeed, that are repeated, that expire and that are given up, all at
// once: each gets its own reply or an end of its own.
func TestEachCallGetsItsOwnReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.get = func(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				time.Sleep(time.Duration(rand.IntN(6)) * time.Millisecond)
				if rand.IntN(20) == 0 {
					return nil, status.Error(codes.Unavailable, "now and then")
				}
				return &inventoryv1.GetResponse{Sku: r.GetSku()}, nil
			}
		}, trusting(), hurried())
		defer w.close()
		var all sync.WaitGroup
		for caller := range 16 {
			all.Go(func() {
				for i := range 60 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rand.IntN(12))*time.Millisecond)
					if i%5 == 0 {
						time.AfterFunc(time.Duration(rand.IntN(6))*time.Millisecond, cancel)
					}
					sku := fmt.Sprintf("%d of %d", i, caller)
					got, err := w.stub.Get(ctx, &inventoryv1.GetRequest{Sku: sku})
					cancel()
					switch code := status.Code(err); {
					case err == nil && got.GetSku() != sku:
						t.Errorf("%s got the reply of %s", sku, got.GetSku())
					case err != nil && code != codes.DeadlineExceeded && code != codes.Canceled && code != codes.Unavailable:
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second) // until the handlers have returned that nobody waits for
	})
}
