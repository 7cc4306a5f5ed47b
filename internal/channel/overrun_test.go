package channel_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// Whatever a call waits for, it is over when its deadline has passed: that of the
// context as well as that of the contract.
func TestNoCallOutlastsItsDeadline(t *testing.T) {
	const deadline = 300 * time.Millisecond
	fails := func(how func(context.Context)) func(*server) {
		return func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() == "warm" {
					return &inventoryv1.GetResponse{}, nil
				}
				how(ctx)
				return nil, status.Error(codes.Aborted, "again")
			}
		}
	}
	all := func(do func(*server)) func(*world) {
		return func(w *world) {
			for _, s := range w.servers {
				do(s)
			}
		}
	}
	for name, c := range map[string]struct {
		setup func(*server)
		fault func(*world)
		opts  []surefoot.ClientOption
		call  []grpc.CallOption
	}{
		"the servers hang":               {fault: all((*server).hang)},
		"the servers hang, unsuspected":  {fault: all((*server).hang), opts: []surefoot.ClientOption{trusting()}},
		"the servers are dead":           {fault: all((*server).kill)},
		"the servers are dead, at once":  {fault: all((*server).kill), opts: []surefoot.ClientOption{waiting(0)}},
		"the caller waits for ready":     {fault: all((*server).kill), call: []grpc.CallOption{grpc.WaitForReady(true)}},
		"the handlers take for ever":     {setup: silent},
		"the repeats wait":               {setup: fails(func(context.Context) {})},
		"the server asks for a long one": {setup: fails(func(ctx context.Context) { _ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "299")) })},
		"an attempt's interceptor blocks": {opts: []surefoot.ClientOption{surefoot.WithAttemptInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if r, ok := req.(*inventoryv1.GetRequest); ok && r.GetSku() != "warm" {
					<-ctx.Done()
					return status.FromContextError(ctx.Err()).Err()
				}
				return invoker(ctx, method, req, reply, cc, opts...)
			}, nil)}},
	} {
		for _, by := range []string{"context", "contract"} {
			t.Run(name+", "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					of := &surefootv1.Method{
						DeadlineMs: new(int64(60_000)), AttemptTimeoutMs: new(int64(100)),
						Retry: &surefootv1.Retry{UntilDeadline: new(true), Backoff: &surefootv1.Backoff{BaseMs: new(int64(100)), MaxMs: new(int64(10_000))}},
					}
					if by == "contract" {
						of.DeadlineMs = new(deadline.Milliseconds())
					}
					w := newWorld(t, 3, c.setup, append(c.opts, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: of}},
						&surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100)), MinPerSecond: new(int32(100))}}))...)
					defer w.close()
					w.warm()
					if c.fault != nil {
						c.fault(w)
					}
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if by == "context" {
						ctx, cancel = context.WithTimeout(ctx, deadline)
					}
					defer cancel()
					start := time.Now()
					_, err := w.stub.Get(ctx, getRequest, c.call...)
					if took := time.Since(start); err == nil || took > deadline+50*time.Millisecond {
						t.Errorf("%v after %v, the deadline was %v", err, took, deadline)
					}
				})
			})
		}
	}
}

func TestNoCallOutlastsItsDeadlineBeforeItsNameIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{0, time.Minute} {
			client, err := surefoot.NewClient("silent:///inventory", surefoot.WithInsecure(), waiting(wait), surefoot.WithDialOptions(
				grpc.WithResolvers(manual.NewBuilderWithScheme("silent")),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			start := time.Now()
			_, err = inventoryv1.NewInventoryClient(client).Get(ctx, getRequest)
			if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || took > 350*time.Millisecond {
				t.Errorf("wait %v: %v after %v", wait, err, took)
			}
			cancel()
			_ = client.Close()
		}
	})
}
