package chain_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

const (
	notExecuted = "surefoot-not-executed"
	reserve     = "/inventory.v1.Inventory/Reserve"
)

// A write is repeated if the server says of this very method, and once, that it
// has executed nothing of it.
func TestAWriteThatWasNotExecutedIsMadeElsewhere(t *testing.T) {
	for _, c := range []struct {
		name    string
		trailer []string
		again   bool
	}{
		{"it says so", []string{notExecuted, reserve}, true},
		{"of another method", []string{notExecuted, "/inventory.v1.Inventory/Get"}, false},
		{"and takes it back", []string{notExecuted, reserve, notExecuted, ""}, false},
		{"it says nothing", []string{"x-reason", "none"}, false},
		{"but wants no repeat", []string{notExecuted, reserve, pushback, "-1"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				var first atomic.Bool
				refuseOnce := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
					if first.CompareAndSwap(true, false) {
						return refuse(c.trailer...)(ctx, req, nil, next)
					}
					return next(ctx, req)
				}
				var applied atomic.Int64
				for _, name := range names("shop", 2) {
					n.serve(name, plainService(grpc.UnaryInterceptor(refuseOnce)), &tier{reserve: func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
						applied.Add(1)
						return &inventoryv1.ReserveResponse{}, nil
					}})
				}
				client := n.client(names("shop", 2))
				if _, err := client.Get(t.Context(), anvil); err != nil {
					t.Fatal(err)
				}
				pass(t, time.Second) // until both are connected
				first.Store(true)
				var trailer metadata.MD
				_, err := client.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, grpc.Trailer(&trailer))
				if again := err == nil; again != c.again || (applied.Load() == 1) != c.again {
					t.Errorf("%v, applied %d times; want it made again: %v", err, applied.Load(), c.again)
				}
				if ce, ok := errors.AsType[*surefoot.CallError](err); ok {
					if told := c.trailer[0] == notExecuted && c.trailer[1] == reserve && len(trailer[pushback]) > 0; ce.MayHaveBeenApplied() == told {
						t.Errorf("may have been applied: %v", ce.MayHaveBeenApplied())
					}
				}
				if len(trailer[notExecuted]) > 0 {
					t.Errorf("the user sees %v", trailer)
				}
			})
		})
	}
}

// A handler that passes on the trailers of another server, which it got hold of
// where only they can be seen, does not pass on that this one executed nothing.
func TestWhatAnotherServerDidNotExecuteIsNotSaidOfThisOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		n.serve("bottom", plainService(grpc.UnaryInterceptor(refuse(notExecuted, reserve))), &tier{})
		var seen metadata.MD
		spy := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoker(ctx, method, req, reply, cc, append(opts, grpc.Trailer(&seen))...)
		}
		below := n.client([]string{"bottom"}, surefoot.WithAttemptInterceptor(spy, nil))
		var applied atomic.Int64
		for _, name := range names("top", 2) {
			n.serve(name, surefootService(t), &tier{reserve: func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				applied.Add(1)
				_, _ = below.Reserve(ctx, r)
				_ = grpc.SetTrailer(ctx, seen)
				return nil, status.Error(codes.Aborted, "half done")
			}})
		}
		_, err := n.client(names("top", 2)).Reserve(t.Context(), &inventoryv1.ReserveRequest{})
		if len(seen[notExecuted]) != 1 {
			t.Fatalf("the handler saw %v, which is not what this is about", seen)
		}
		if applied.Load() != 1 || status.Code(err) != codes.Aborted {
			t.Errorf("applied %d times, %v", applied.Load(), err)
		}
	})
}

// Streams are judged, and what is meant for the client hidden, as for unary calls.
func TestAStreamThatWasNotExecutedIsOpenedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		const watch = "/inventory.v1.Inventory/Watch"
		refusing := true
		serve := func(name string) {
			n.serve(name, plainService(grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				if refusing {
					refusing = false
					stream.SetTrailer(metadata.Pairs(notExecuted, watch, "x-reason", "busy"))
					return status.Error(codes.ResourceExhausted, "too much to do")
				}
				return next(srv, stream)
			})), &tier{watch: func(*inventoryv1.WatchRequest, inventoryv1.Inventory_WatchServer) error {
				return status.Error(codes.NotFound, "no such revision")
			}})
		}
		serve("shop0")
		serve("shop1")
		client := n.client(names("shop", 2))
		if _, err := client.Get(t.Context(), anvil); err != nil {
			t.Fatal(err)
		}
		pass(t, time.Second) // until both are connected
		stream, err := client.Watch(t.Context(), &inventoryv1.WatchRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.NotFound || refusing {
			t.Errorf("%v, want the other server's answer", err)
		}

		refused := n.client([]string{"shop0"}, surefoot.WithContract(&surefootv1.Contract{
			ServiceName: "inventory.v1.Inventory",
			Methods:     map[string]*surefootv1.MethodContract{"Watch": {Method: &surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: new(int32(1))}}}},
		}))
		refusing = true
		var header, trailer metadata.MD
		stream, err = refused.Watch(t.Context(), &inventoryv1.WatchRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.ResourceExhausted || len(header) > 0 {
			t.Errorf("%v, the header is %v", err, header)
		}
		for _, got := range []metadata.MD{stream.Trailer(), trailer} {
			if len(got[notExecuted]) > 0 || len(got["x-reason"]) != 1 {
				t.Errorf("the user sees %v", got)
			}
		}
	})
}
