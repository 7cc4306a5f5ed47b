package channel_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// recovered runs f as a caller does who recovers, and returns what it panicked
// with.
func recovered(f func()) (panicked any) {
	defer func() { panicked = recover() }()
	f()
	return nil
}

// The hook that hears of the hedge that has won panics, or exits, on the hedge's
// goroutine: the caller's goes on with it.
func TestAHookThatPanicsAfterAHedgeHasWonReachesTheCaller(t *testing.T) {
	for _, exits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				if n == 1 {
					return st.answer(ctx, s, time.Hour)
				}
				return st.answer(ctx, s, 0)
			}
			var armed atomic.Bool
			w := newWorld(t, 3, st.setup, hedging(nil), trusting(), surefoot.WithObserver(&observe.Observer{
				AttemptDone: func(_ context.Context, _ string, a observe.Attempt) {
					switch {
					case !armed.Load() || a.Number != 2:
					case exits:
						runtime.Goexit()
					default:
						panic("a hook")
					}
				},
			}))
			defer w.close()
			w.warm()
			armed.Store(true)
			ended := make(chan any, 1)
			go func() {
				exited := true
				defer func() {
					if exited {
						ended <- "exited"
					}
				}()
				p := recovered(func() { _, _ = w.stub.Get(t.Context(), it) })
				exited = false
				ended <- p
			}()
			want := any("a hook")
			if exits {
				want = "exited"
			}
			select {
			case got := <-ended:
				if got != want {
					t.Errorf("the call ended with %v, want %v", got, want)
				}
			case <-time.After(time.Minute):
				t.Fatal("the call does not return")
			}
		})
	}
}

// A hook that panics while a call holds a place does not keep the place.
func TestAHookOfTheBreakerThatPanicsKeepsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails, armed atomic.Bool
		fails.Store(true)
		setup := func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if fails.Load() {
					return nil, status.Error(codes.Internal, "broken")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}
		w := newWorld(t, 1, setup, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{Breaker: &surefootv1.Breaker{
			ConsecutiveFailures: new(int32(2)), MaxInFlight: new(int32(1)), OpenMs: new(int64(1000)),
		}}}}, nil), surefoot.WithObserver(&observe.Observer{Breaker: func(b observe.BreakerChange) {
			if armed.Load() && b.To == "half-open" {
				panic("a hook")
			}
		}}))
		defer w.close()
		for range 2 {
			_, _ = w.stub.Get(t.Context(), getRequest)
		}
		fails.Store(false)
		armed.Store(true)
		time.Sleep(2 * time.Second) // virtual: longer than it is open
		if p := recovered(func() { _, _ = w.stub.Get(t.Context(), getRequest) }); p != "a hook" {
			t.Fatalf("recovered %v: the breaker did not become half-open", p)
		}
		for i := range 5 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

// An interceptor that panics after it has opened a stream leaves nothing behind:
// no stream, and nothing in flight that would keep calls from its endpoint.
func TestAnInterceptorOfStreamsThatPanicsLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan bool, 1)
		w := newWorld(t, 2, func(s *server) {
			s.keep = func(k inventoryv1.Inventory_KeepAliveServer) error {
				<-k.Context().Done()
				gone <- true
				return nil
			}
		}, contractOf(map[string]*surefootv1.MethodContract{"KeepAlive": {Method: &surefootv1.Method{
			Stream: &surefootv1.Stream{MaxAgeMs: new(int64(3600_000))},
		}}}, &surefootv1.Service{Balance: &surefootv1.Balance{Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{}}}}),
			surefoot.WithAttemptInterceptor(nil, func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				if _, err := streamer(ctx, desc, cc, method, opts...); err != nil {
					return nil, err
				}
				panic("an interceptor")
			}))
		defer w.close()
		w.warm()
		if p := recovered(func() { _, _ = w.stub.KeepAlive(t.Context()) }); p != "an interceptor" {
			t.Fatalf("recovered %v", p)
		}
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Fatal("the stream stays open")
		}
		for range 100 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range w.servers {
			if s.gets.Load() == 0 {
				t.Errorf("%s gets no calls any more", s.name)
			}
		}
	})
}

// A hook that panics before an attempt leaves no timer that rings for ever.
func TestAHookThatPanicsBeforeAnAttemptLeavesNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		w := newWorld(t, 2, nil, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			AttemptTimeoutMs: new(int64(250)),
		}}}, nil), surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) {
			if armed.Load() {
				panic("a hook")
			}
		}}))
		defer w.close()
		w.warm()
		armed.Store(true)
		made := weakly(func(ctx context.Context) {
			if p := recovered(func() { _, _ = w.stub.Get(ctx, getRequest) }); p != "a hook" {
				t.Fatalf("recovered %v", p)
			}
		})
		for range 20 {
			time.Sleep(time.Second) // virtual: the timers of that time ring
			synctest.Wait()
			runtime.GC()
		}
		if made.Value() != nil {
			t.Error("something holds on to the call")
		}
	})
}

// weakly calls f with a context, and returns what tells whether that is held
// afterwards.
func weakly(f func(context.Context)) weak.Pointer[held] {
	ctx := &held{Context: context.Background()}
	f(ctx)
	return weak.Make(ctx)
}

type held struct{ context.Context }

// A hook that hears of the breaker of a group, and panics, keeps no attempt in
// flight that would keep calls from its endpoint.
func TestAHookOfAGroupsBreakerThatPanicsKeepsNothingInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		c := newCells(t, "xy", &surefootv1.Breaker{PerGroup: new(true), ConsecutiveFailures: new(int32(2)), OpenMs: new(int64(1000))},
			contractOf(nil, &surefootv1.Service{Balance: &surefootv1.Balance{Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{}}}}),
			surefoot.WithObserver(&observe.Observer{Breaker: func(b observe.BreakerChange) {
				if armed.Load() && b.To == "open" {
					panic("a hook")
				}
			}}))
		defer c.close()
		armed.Store(true)
		c.fail("a", true)
		var panicked any
		for range 100 {
			if panicked == nil {
				panicked = recovered(func() { _ = c.reserve(t.Context()) })
			}
		}
		if panicked != "a hook" {
			t.Fatalf("recovered %v: no breaker opened", panicked)
		}
		armed.Store(false)
		c.fail("a", false)
		for range 30 { // until its breaker is closed
			time.Sleep(time.Second)
			_ = c.reserve(t.Context())
		}
		c.counts()
		for range 100 {
			if err := c.reserve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.counts(); got["a"] == 0 {
			t.Errorf("calls by server: %v", got)
		}
	})
}

// One hedge has answered, another one panics because of that, and so does the
// attempt on the caller's goroutine: nobody waits for a third.
func TestEveryAttemptOfAHedgedCallMayPanicAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if n == 2 {
				return st.answer(ctx, s, 2*hedgeDelay)
			}
			return st.answer(ctx, s, time.Hour)
		}
		w := newWorld(t, 3, st.setup, trusting(), hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
			m.Hedge.MaxHedges = new(int32(2))
		}), surefoot.WithObserver(&observe.Observer{AttemptDone: func(_ context.Context, _ string, a observe.Attempt) {
			if a.Number == 2 && a.Verdict == "success" {
				time.Sleep(time.Second) // virtual: the others have panicked by then
			}
		}}), surefoot.WithAttemptInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoker(ctx, method, req, reply, cc, opts...)
			if status.Code(err) == codes.Canceled {
				panic("an interceptor")
			}
			return err
		}, nil))
		defer w.close()
		w.warm()
		if p := recovered(func() { _, _ = w.stub.Get(t.Context(), it) }); p != "an interceptor" {
			t.Errorf("recovered %v", p)
		}
		if n := st.arrived.Load(); n != 3 {
			t.Errorf("%d attempts", n)
		}
	})
}
