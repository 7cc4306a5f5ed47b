package channel_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
)

// An attempt is cancelled in one of three ways, which callers cannot tell
// apart.
func TestAttemptsEndTheSameWayHoweverTheyAreCancelled(t *testing.T) {
	pass := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	for _, way := range []struct {
		name   string
		caller time.Duration // the caller's deadline; the contract's is 2 s
		opts   []surefoot.ClientOption
	}{
		{name: "the contract's deadline", caller: time.Hour},
		{name: "the caller's deadline", caller: time.Second},
		{name: "an interceptor per attempt", caller: time.Second, opts: []surefoot.ClientOption{surefoot.WithAttemptInterceptor(pass, nil)}},
	} {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, nil, append(way.opts, trusting())...)
				defer w.close()
				w.warm()
				call := func(cancelAfter time.Duration) (time.Duration, error) {
					ctx, cancel := context.WithTimeout(t.Context(), way.caller)
					defer cancel()
					if cancelAfter > 0 {
						time.AfterFunc(cancelAfter, cancel)
					}
					start := time.Now()
					_, err := w.stub.Get(ctx, getRequest)
					return time.Since(start), err
				}

				w.servers[0].hang()
				moved := 0
				for range 4 {
					took, err := call(0)
					if err != nil {
						t.Fatal(err)
					}
					if took == 250*time.Millisecond {
						moved++
					} else if took != 0 {
						t.Errorf("took %v, want nothing or the attempt timeout", took)
					}
				}
				if moved == 0 {
					t.Error("no call timed out on the hung server")
				}

				w.servers[1].hang()
				if took, err := call(100 * time.Millisecond); status.Code(err) != codes.Canceled || took != 100*time.Millisecond {
					t.Errorf("cancelled after 100ms: %v after %v", err, took)
				}
				took, err := call(0)
				if want := min(way.caller, 2*time.Second); status.Code(err) != codes.DeadlineExceeded || took < want || took > want+10*time.Millisecond {
					t.Errorf("all servers hang: %v after %v, want DEADLINE_EXCEEDED after %v", err, took, want)
				}
			})
		})
	}
}

// A call that waits for the first names ends with its context, whatever its
// attempt timeout.
func TestCallThatWaitsForNamesEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := surefoot.NewClient("silent:///x", surefoot.WithInsecure(), surefoot.WithDialOptions(grpc.WithResolvers(silentResolver{})))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		for _, end := range []time.Duration{100 * time.Millisecond, 700 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), end)
			start := time.Now()
			err := client.Invoke(ctx, "/inventory.v1.Inventory/Get", getRequest, getRequest)
			cancel()
			if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || took != end {
				t.Errorf("%v after %v, want DEADLINE_EXCEEDED after %v", err, took, end)
			}
		}
	})
}

// silentResolver never finds anything.
type silentResolver struct{}

func (silentResolver) Scheme() string { return "silent" }
func (s silentResolver) Build(resolver.Target, resolver.ClientConn, resolver.BuildOptions) (resolver.Resolver, error) {
	return s, nil
}
func (silentResolver) ResolveNow(resolver.ResolveNowOptions) {}
func (silentResolver) Close()                                {}
