package channel_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// lostReply applies a reservation and says UNAVAILABLE.
func lostReply(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	return nil, status.Error(codes.Unavailable, "applied, but the reply was lost")
}

// checkOnce checks that a reservation with a lost reply was made once, and
// that its caller knows.
func checkOnce(t *testing.T, applied int64, err error) {
	t.Helper()
	var ce *surefoot.CallError
	if !errors.As(err, &ce) {
		t.Fatalf("%v is no CallError", err)
	}
	if applied != 1 || !ce.MayHaveBeenApplied() {
		t.Errorf("applied %d times, may have been applied %v: want once and true; %v", applied, ce.MayHaveBeenApplied(), err)
	}
}

// foreign returns a client whose target has another balancer than ours, and
// connects by dial.
func foreign(t *testing.T, dial func(context.Context) (net.Conn, error), opts ...surefoot.ClientOption) (inventoryv1.InventoryClient, func()) {
	t.Helper()
	names := manual.NewBuilderWithScheme("xds")
	names.InitialState(resolver.State{Endpoints: []resolver.Endpoint{{Addresses: []resolver.Address{{Addr: "a"}}}}})
	client, err := surefoot.NewClient("xds:///inventory", append(opts, surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithDialOptions(grpc.WithResolvers(names),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) })))...)
	if err != nil {
		t.Fatal(err)
	}
	return inventoryv1.NewInventoryClient(client), func() { _ = client.Close() }
}

// xDS's balancer tells us nothing of what became of an attempt.
func TestForeignBalancerRepeatsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{name: "a", reserve: lostReply}
		s.start()
		defer s.grpc.Stop()
		stub, end := foreign(t, s.dial)
		defer end()
		_, err := stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{})
		checkOnce(t, s.applied.Load(), err)
	})
}

func TestForeignBalancerRepeatsWhatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stub, end := foreign(t, func(context.Context) (net.Conn, error) { return nil, errors.New("nobody there") })
		defer end()
		_, err := stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{})
		var ce *surefoot.CallError
		if !errors.As(err, &ce) || len(ce.Call.Attempts) != 3 || ce.MayHaveBeenApplied() {
			t.Errorf("%v, want three attempts that were not sent", err)
		}
	})
}

// Nobody of ours can hold back an attempt that has lost its key there: it is made
// once, and not repeated.
func TestForeignBalancerRepeatsNoWriteThatLostItsKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(context.Context) context.Context
		want   int64
	}{
		"the key is there": {func(ctx context.Context) context.Context { return ctx }, 3},
		"the key is gone": {func(ctx context.Context) context.Context {
			return metadata.NewOutgoingContext(ctx, metadata.Pairs("authorization", "token"))
		}, 1},
		"the key is another": {func(ctx context.Context) context.Context {
			return metadata.NewOutgoingContext(ctx, metadata.Pairs("idempotency-key", "other"))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{name: "a", reserve: lostReply}
				s.start()
				defer s.grpc.Stop()
				stub, end := foreign(t, s.dial, keyed(), surefoot.WithAttemptInterceptor(
					func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
						return invoker(c.change(ctx), method, req, reply, cc, opts...)
					}, nil))
				defer end()
				_, err := stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, call.WithIdempotencyKey("k"))
				var ce *surefoot.CallError
				if !errors.As(err, &ce) || s.applied.Load() != c.want || !ce.MayHaveBeenApplied() {
					t.Errorf("applied %d times, want %d; %v", s.applied.Load(), c.want, err)
				}
			})
		})
	}
}

// An interceptor that leaves our context out hides its attempts from us.
func TestDetachedContextRepeatsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) { s.reserve = lostReply }, surefoot.WithAttemptInterceptor(
			func(_ context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				return invoker(ctx, method, req, reply, cc, opts...)
			}, nil))
		defer w.close()
		w.warm()
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{})
		checkOnce(t, w.servers[0].applied.Load()+w.servers[1].applied.Load(), err)
	})
}

// tokens are credentials that cannot be had.
type tokens struct{ asked *int }

func (k tokens) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	*k.asked++
	return nil, status.Error(codes.Unavailable, "the token service is down")
}
func (tokens) RequireTransportSecurity() bool { return false }

// No endpoint is to blame for a token that could not be had, so that others
// are left is no reason to ask for it again and again.
func TestMissingTokenIsNoReasonToTryEveryEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, nil)
		defer w.close()
		w.warm()
		asked := 0
		began := time.Now()
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, grpc.PerRPCCredentials(tokens{&asked}))
		if status.Code(err) != codes.Unavailable || asked != 3 || time.Since(began) == 0 {
			t.Errorf("asked %d times in %v, %v: want 3 with a backoff between them", asked, time.Since(began), err)
		}
	})
}

// An interceptor of the user opens two streams for one call: the call ends
// once, with the one that the caller reads.
func TestStreamThatAnInterceptorOpenedTwiceEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil, surefoot.WithAttemptInterceptor(nil,
			func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				dead, cancel := context.WithCancel(ctx)
				cancel()
				if _, err := streamer(dead, desc, cc, method, opts...); err == nil {
					t.Error("a stream without time was opened")
				}
				return streamer(ctx, desc, cc, method, opts...)
			}))
		defer w.close()
		w.warm()
		w.forget()
		ctx, cancel := context.WithCancel(t.Context())
		var ended []error
		stream, err := w.stub.Watch(ctx, &inventoryv1.WatchRequest{}, grpc.OnFinish(func(err error) { ended = append(ended, err) }))
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = stream.Recv()
		}
		cancel()
		synctest.Wait()
		if calls, _ := w.seen(); len(ended) != 1 || len(calls) != 1 {
			t.Errorf("OnFinish %v, %d calls done: want one each", ended, len(calls))
		}
	})
}

func TestInterceptorThatPanicsEndsItsAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		w := newWorld(t, 1, nil, surefoot.WithAttemptInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if req == any(getRequest) {
					context.AfterFunc(ctx, func() { ended = true })
					panic("a bug")
				}
				return invoker(ctx, method, req, reply, cc, opts...)
			}, nil))
		defer w.close()
		w.warm()
		func() {
			defer func() { _ = recover() }()
			_, _ = w.stub.Get(t.Context(), getRequest)
		}()
		synctest.Wait()
		if !ended {
			t.Error("the attempt's context outlives it")
		}
	})
}

// Of xDS's endpoints nobody knows whether there is another one: a hedge could go to
// the server that is slow.
func TestForeignBalancerHedgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{name: "a", get: func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			<-time.After(100 * time.Millisecond) // longer would be given up, and repeated
			return &inventoryv1.GetResponse{}, nil
		}}
		s.start()
		defer s.grpc.Stop()
		stub, end := foreign(t, s.dial, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			Hedge: &surefootv1.Hedge{DelayMs: new(int64(20)), MaxHedges: new(int32(2))},
		}}}, nil))
		defer end()
		if _, err := stub.Get(t.Context(), getRequest); err != nil || s.gets.Load() != 1 {
			t.Errorf("%d attempts, %v", s.gets.Load(), err)
		}
	})
}
