package serve_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/serve"
	"github.com/surefoot-rpc/surefoot/observe"
)

const secret = "the-password"

// A vault is a value that must never be printed.
type vault struct{ token string }

// ways are the ways in which a handler does not return.
var ways = map[string]struct {
	leave func()
	said  string // to the operator
}{
	"text":   {func() { panic(secret) }, "panicked: " + secret},
	"error":  {func() { panic(errors.New(secret)) }, "panicked: " + secret},
	"bug":    {func() { assign(nil) }, "panicked: assignment to entry in nil map"},
	"value":  {func() { panic(vault{secret}) }, "panicked with a value of type serve_test.vault"},
	"goexit": {runtime.Goexit, "called runtime.Goexit"},
}

// assign is a bug if m is nil.
func assign(m map[string]int) { m["a"] = 1 }

// call is how a test reaches a place where something panics.
type call struct {
	name string
	make func(context.Context, *grpc.ClientConn) error
}

func unary(ctx context.Context, conn *grpc.ClientConn) error { return get(ctx, conn) }

func streaming(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stream, err := inventoryv1.NewInventoryClient(conn).Watch(ctx, &inventoryv1.WatchRequest{})
	if err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
}

func TestPanicsEndOneCall(t *testing.T) {
	for name, way := range ways {
		for _, c := range []call{{"unary", unary}, {"streaming", streaming}} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testPanic(t, c, way.leave, way.said) })
			})
		}
	}
}

func testPanic(t *testing.T, c call, leave func(), said string) {
	problems := make(chan error, 1)
	leaves := false
	s := start(t, serve.Config{Observer: &observe.Observer{Problem: func(err error) { problems <- err }}}, &backend{
		get: func(context.Context) error {
			if leaves {
				leave()
			}
			return nil
		},
		watch: func(stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
			_ = stream.Send(&inventoryv1.WatchResponse{})
			leave()
			return nil
		},
	})
	conn := s.dial(t)
	leaves = true
	began := time.Now()
	err := c.make(t.Context(), conn)
	if status.Code(err) != codes.Internal || time.Since(began) > 0 {
		t.Errorf("the caller got %v after %v, want INTERNAL at once", err, time.Since(began))
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the caller was told the panic's value: %v", err)
	}
	problem := (<-problems).Error()
	if !strings.Contains(problem, said) || !strings.Contains(problem, "recover_test.go") {
		t.Errorf("the operator was told %q, want %q and a stack", problem, said)
	}
	if strings.Contains(problem, "vault{") {
		t.Errorf("the operator was told what a vault holds: %q", problem)
	}
	leaves = false
	if err := get(t.Context(), conn); err != nil {
		t.Errorf("the next call: %v", err)
	}
	s.drain()
	if err := <-s.result; err != nil { // the failed call is not counted as running
		t.Errorf("Serve: %v", err)
	}
}

func TestPanicOfChainedInterceptorIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := false
		problems := make(chan error, 2)
		s := start(t, serve.Config{
			Observer: &observe.Observer{Problem: func(err error) { problems <- err }},
			Options: []grpc.ServerOption{
				grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
					if bad {
						panic(secret)
					}
					return next(ctx, req)
				}),
				grpc.ChainStreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
					panic(secret)
				}),
			},
		}, &backend{})
		conn := s.dial(t)
		bad = true
		for _, c := range []call{{"unary", unary}, {"streaming", streaming}} {
			if err := c.make(t.Context(), conn); status.Code(err) != codes.Internal {
				t.Errorf("%s: %v, want INTERNAL", c.name, err)
			}
			<-problems
		}
	})
}

func TestPanicWithoutObserverIsLogged(t *testing.T) {
	var out bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(old)
	synctest.Test(t, func(t *testing.T) {
		s := start(t, serve.Config{Observer: &observe.Observer{}}, &backend{
			watch: func(grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error { panic("ouch") },
		})
		if err := streaming(t.Context(), s.dial(t)); status.Code(err) != codes.Internal {
			t.Errorf("the caller got %v", err)
		}
	})
	for _, want := range []string{"level=ERROR", "panicked: ouch", "method=/inventory.v1.Inventory/Watch", "recover_test.go"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, out.String())
		}
	}
}
