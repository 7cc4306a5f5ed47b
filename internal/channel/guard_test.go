package channel_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
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

// A mood is what the handlers of a fleet do, which tests change as they go.
type mood struct {
	atomic.Pointer[func(context.Context) error]
}

func (m *mood) is(f func(context.Context) error) { m.Store(&f) }
func (m *mood) fails(c codes.Code) {
	m.is(func(context.Context) error { return status.Error(c, "down") })
}
func (m *mood) works() { m.is(func(context.Context) error { return nil }) }

// moody returns a fleet whose handlers do as the mood is. It works.
func moody(t *testing.T, n int, opts ...surefoot.ClientOption) (*world, *mood) {
	t.Helper()
	m := new(mood)
	m.works()
	w := newWorld(t, n, func(s *server) {
		s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			return &inventoryv1.GetResponse{Server: s.name}, (*m.Load())(ctx)
		}
		s.reserve = func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
			return &inventoryv1.ReserveResponse{Server: s.name}, (*m.Load())(ctx)
		}
		s.watch = func(r *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
			if err := (*m.Load())(w.Context()); err != nil {
				return err
			}
			if err := w.Send(&inventoryv1.WatchResponse{Revision: 1, Server: s.name}); err != nil {
				return err
			}
			<-w.Context().Done()
			return w.Context().Err()
		}
	}, opts...)
	return w, m
}

// breakerOf returns an option with this breaker for every method, and without
// repeats.
func breakerOf(b *surefootv1.Breaker) surefoot.ClientOption {
	return surefoot.WithHouseDefaults(&surefootv1.Service{
		Defaults: &surefootv1.Method{Breaker: b, Retry: &surefootv1.Retry{MaxAttempts: new(int32(1))}},
		// What is ejected or suspected is tested elsewhere.
		Balance:    &surefootv1.Balance{Ejection: &surefootv1.Ejection{Off: new(true)}},
		Connection: &surefootv1.Connection{Liveness: &surefootv1.Liveness{Off: new(true)}},
	})
}

func (w *world) reserve(ctx context.Context) error {
	_, err := w.stub.Reserve(ctx, &inventoryv1.ReserveRequest{Sku: "anvil"})
	return err
}

// reached returns how many reservations reached a handler.
func (w *world) reached() (n int64) {
	for _, s := range w.servers {
		n += s.applied.Load()
	}
	return n
}

// states returns the changes of breakers as texts.
func (w *world) states() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.breakers {
		all = append(all, b.From+" -> "+b.To)
	}
	return all
}

// denied returns the call of a denial, nil if err is none.
func denied(err error) *surefoot.CallError {
	if ce, ok := errors.AsType[*surefoot.CallError](err); ok && ce.Denied() {
		return ce
	}
	return nil
}

// A service that fails across the board is left alone after twenty calls, tried
// by a few calls every five seconds, and back within five seconds of its
// healing.
func TestAServiceThatFailsAcrossTheBoardIsLeftAloneUntilItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 3, breakerOf(nil))
		defer w.close()
		w.warm()
		mood.fails(codes.Unavailable)
		for i := range 20 {
			if err := w.reserve(t.Context()); status.Code(err) != codes.Unavailable || denied(err) != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		opened := time.Now()
		const down, pause = 60 * time.Second, 10 * time.Millisecond
		for range down / pause {
			if err := w.reserve(t.Context()); err == nil {
				t.Fatal("it works")
			}
			time.Sleep(pause)
		}
		// Three at most each 3.75 s to 5 s.
		if n := w.reached() - 20; n < 12 || n > 3*17 {
			t.Errorf("a service that is down got %d calls in %v", n, down)
		}
		healed := time.Now()
		mood.works()
		for w.reserve(t.Context()) != nil {
			time.Sleep(pause)
		}
		for i := range 100 {
			if err := w.reserve(t.Context()); err != nil && time.Since(healed) > 5*time.Second {
				t.Fatalf("call %d, %v after healing: %v", i, time.Since(healed), err)
			}
			time.Sleep(pause)
		}
		if back := time.Since(healed); back > 5*time.Second+100*pause {
			t.Errorf("back after %v", back)
		}
		states := w.states()
		if states[0] != "closed -> open" || states[len(states)-1] != "half-open -> closed" {
			t.Errorf("%q", states)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		first := w.breakers[0]
		if first.Method != "/inventory.v1.Inventory/Reserve" || first.Target != "fleet:///inventory" || first.Why != "20 of 20 calls failed" ||
			first.For < 3750*time.Millisecond || first.For > 5*time.Second || first.DryRun {
			t.Errorf("told as %+v, opened at %v", first, opened)
		}
	})
}

// What counts is the call: one that a repeat has mended has not failed, and one whose
// attempts have all failed has failed once.
func TestABreakerCountsCallsAndNotAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 4, breakerOf(nil), contractOf(nil, &surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100))}}))
		defer w.close()
		w.warm()
		get := func() error {
			_, err := w.stub.Get(t.Context(), getRequest)
			return err
		}
		mood.is(func(ctx context.Context) error {
			if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("grpc-previous-rpc-attempts")) == 0 {
				return status.Error(codes.Unavailable, "not at first")
			}
			return nil
		})
		for i := range 100 {
			if err := get(); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if told := w.states(); len(told) > 0 {
			t.Errorf("%q though no call has failed", told)
		}
		time.Sleep(20 * time.Second)
		w.forget()
		mood.fails(codes.Unavailable)
		for i := range 20 {
			if err := get(); err == nil || denied(err) != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if _, attempts := w.seen(); len(attempts) < 30 {
			t.Errorf("%d attempts: nothing was repeated", len(attempts))
		}
		if err := get(); denied(err) == nil {
			t.Errorf("after 20 calls: %v", err)
		}
	})
}

// What is denied cost nobody anything, and says who says so.
func TestADenialIsUnmistakablyTheClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 2, breakerOf(&surefootv1.Breaker{ConsecutiveFailures: new(int32(2))}))
		defer w.close()
		w.warm()
		mood.fails(codes.Unavailable)
		for range 2 {
			_ = w.reserve(t.Context())
		}
		w.forget()
		time.Sleep(time.Second)
		finished := 0
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}, grpc.OnFinish(func(e error) {
			if status.Code(e) == codes.Unavailable {
				finished++
			}
		}))
		ce := denied(err)
		if ce == nil || status.Code(err) != codes.Unavailable {
			t.Fatalf("got %v", err)
		}
		message := status.Convert(err).Message()
		if !strings.HasPrefix(message, "surefoot: /inventory.v1.Inventory/Reserve was not called: its breaker has been open for 1s (2 calls in a row failed), the next trial is in ") {
			t.Error(message)
		}
		if !strings.HasSuffix(err.Error(), "0s, not made]") {
			t.Error(err)
		}
		d := ce.Call.Denial
		if d.Reason != "circuit open" || d.Why != "2 calls in a row failed" || d.DryRun || time.Since(d.Since) != time.Second ||
			d.Wait < 2750*time.Millisecond || d.Wait > 4*time.Second {
			t.Errorf("%+v", d)
		}
		calls, attempts := w.seen()
		if w.reached() != 0 || len(attempts) != 0 || len(calls) != 1 || calls[0].Denial == nil || len(calls[0].Attempts) != 0 || finished != 1 {
			t.Errorf("%d reached, %d attempts, calls %+v, finished %d", w.reached(), len(attempts), calls, finished)
		}
		if ce.MayHaveBeenApplied() || calls[0].MayHaveBeenApplied {
			t.Error("it may have been applied")
		}
		// Another method has a breaker of its own.
		mood.works()
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Error(err)
		}
	})
}

// Calls that were denied earn no repeats.
func TestADeniedCallEarnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 2, contractOf(nil, &surefootv1.Service{
			RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(50)), MinPerSecond: new(int32(0)), WindowMs: new(int64(60_000))},
			Defaults:    &surefootv1.Method{Breaker: &surefootv1.Breaker{ConsecutiveFailures: new(int32(1))}},
		}))
		defer w.close()
		w.warm()
		time.Sleep(2 * time.Minute) // what the warm-up earned is forgotten
		mood.fails(codes.Unavailable)
		_ = w.reserve(t.Context())
		for range 100 {
			if err := w.reserve(t.Context()); denied(err) == nil {
				t.Fatal(err)
			}
		}
		w.forget()
		// Two calls have earned one repeat.
		_, err := w.stub.Get(t.Context(), getRequest)
		if calls, _ := w.seen(); len(calls) != 1 || len(calls[0].Attempts) != 2 || !strings.Contains(calls[0].Attempts[1].Next, "budget") {
			t.Errorf("%+v, %v", calls, err)
		}
	})
}

// A service that sheds what is too much is sent what it can do.
func TestAServiceThatRefusesIsSentLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 2, breakerOf(nil))
		defer w.close()
		w.warm()
		mood.fails(codes.ResourceExhausted)
		heldBack := 0
		for range 1000 {
			err := w.reserve(t.Context())
			if ce := denied(err); ce != nil {
				heldBack++
				if d := ce.Call.Denial; d.Reason != "throttled" || !strings.HasSuffix(d.Why, "% of them are held back") || d.Wait != 0 || status.Code(err) != codes.Unavailable ||
					!strings.Contains(err.Error(), "% of them are held back") {
					t.Fatalf("%v: %+v", err, d)
				}
			} else if status.Code(err) != codes.ResourceExhausted {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if heldBack < 700 || heldBack > 950 {
			t.Errorf("%d of 1000 calls held back, want about 900", heldBack)
		}
		if states := w.states(); len(states) > 0 {
			t.Errorf("refusals opened the breaker: %q", states)
		}
		mood.works()
		time.Sleep(time.Second)
		for range 400 { // a row of successes ends it
			_ = w.reserve(t.Context())
		}
		for range 100 {
			if err := w.reserve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A limit of calls in flight is exact, whatever becomes of them.
func TestNoMoreCallsAreInFlightThanMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, callers, each = 7, 40, 50
		var now, most, n atomic.Int64
		count := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			for k := now.Add(1); ; {
				if m := most.Load(); k <= m || most.CompareAndSwap(m, k) {
					break
				}
			}
			defer now.Add(-1)
			return invoker(ctx, method, req, reply, cc, opts...)
		}
		w, mood := moody(t, 3, surefoot.WithAttemptInterceptor(count, nil), breakerOf(&surefootv1.Breaker{
			MaxInFlight: new(int32(limit)), FailurePercent: new(int32(0)), Throttle: &surefootv1.Throttle{AcceptPercent: new(int32(0))},
		}))
		defer w.close()
		w.warm()
		mood.is(func(ctx context.Context) error {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
			switch n.Add(1) % 3 {
			case 0:
				return status.Error(codes.NotFound, "no such item")
			case 1:
				return status.Error(codes.Unavailable, "down")
			}
			return nil
		})
		var wg sync.WaitGroup
		var full atomic.Int64
		for i := range callers {
			wg.Go(func() {
				for k := range each {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(i+k)%3)*time.Millisecond)
					if err := w.reserve(ctx); denied(err) != nil {
						if full.Add(1); denied(err).Call.Denial.Why != "7 calls are in flight, which is its limit" || status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "7 calls are in flight, which is its limit") {
							t.Error(err)
						}
					}
					cancel()
					time.Sleep(time.Millisecond)
				}
			})
		}
		wg.Wait()
		if most.Load() != limit || full.Load() == 0 || full.Load() == callers*each {
			t.Errorf("%d at once, %d of %d denied", most.Load(), full.Load(), callers*each)
		}
		synctest.Wait()
		// Each place is there again, and no more than those.
		release := make(chan struct{})
		mood.is(func(context.Context) error { <-release; return nil })
		var ok, no atomic.Int64
		for range 2 * limit {
			wg.Go(func() {
				if denied(w.reserve(t.Context())) != nil {
					no.Add(1)
				} else {
					ok.Add(1)
				}
			})
		}
		synctest.Wait()
		if no.Load() != limit {
			t.Errorf("%d of %d denied", no.Load(), 2*limit)
		}
		close(release)
		wg.Wait()
		if ok.Load() != limit {
			t.Errorf("%d of %d made", ok.Load(), 2*limit)
		}
	})
}

// One caller whose messages are too large, and a server that lacks a method,
// open no breaker and eject nobody.
func TestWhatOneCallerDoesWrongHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil, surefoot.WithDialOptions(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1000))))
		defer w.close()
		w.warm()
		for _, s := range w.servers {
			s.reserve = func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				if r.GetSku() == "large reply" {
					return &inventoryv1.ReserveResponse{Server: strings.Repeat("x", 2000)}, nil
				}
				return &inventoryv1.ReserveResponse{}, nil
			}
		}
		large := strings.Repeat("x", 2000)
		for range 100 {
			for name, c := range map[string]struct {
				call func() error
				code codes.Code
			}{
				"a request that is too large": {func() error {
					_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: large}, grpc.MaxCallSendMsgSize(1000))
					return err
				}, codes.ResourceExhausted},
				"a reply that is too large": {func() error {
					_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "large reply"})
					return err
				}, codes.ResourceExhausted},
				"a method that the server lacks": {func() error {
					return w.client.Invoke(t.Context(), "/inventory.v1.Inventory/Missing", &inventoryv1.GetRequest{}, &inventoryv1.GetResponse{})
				}, codes.Unimplemented},
				"a call that is given up": {func() error {
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					return w.reserve(ctx)
				}, codes.Canceled},
				"a call whose time was up before it began": {func() error {
					ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-1))
					defer cancel()
					return w.reserve(ctx)
				}, codes.DeadlineExceeded},
			} {
				if err := c.call(); status.Code(err) != c.code || denied(err) != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if err := w.reserve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.changes {
			if c.To == "ejected" {
				t.Errorf("%+v", c)
			}
		}
		if len(w.breakers) > 0 {
			t.Errorf("%+v", w.breakers)
		}
	})
}

// However a call ends that tries an open breaker, its place as a trial is given
// back.
func TestATrialThatSaysNothingGivesItsPlaceBack(t *testing.T) {
	boom := make(chan struct{}, 1)
	perAttempt := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		select {
		case <-boom:
			panic("an interceptor that panics")
		default:
			return invoker(ctx, method, req, reply, cc, opts...)
		}
	}
	for name, trial := range map[string]func(*testing.T, *world, *mood){
		"the caller gives up": func(t *testing.T, w *world, m *mood) {
			m.is(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if err := w.reserve(ctx); status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		},
		"the caller gives up while it waits for a repeat": func(t *testing.T, w *world, m *mood) {
			m.fails(codes.Aborted)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := w.stub.Get(ctx, getRequest); status.Code(err) != codes.Aborted {
				t.Error(err)
			}
		},
		"the message is too large": func(t *testing.T, w *world, _ *mood) {
			_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "anvil"}, grpc.MaxCallSendMsgSize(1))
			if status.Code(err) != codes.ResourceExhausted {
				t.Error(err)
			}
		},
		"an interceptor panics": func(t *testing.T, w *world, _ *mood) {
			defer func() {
				if recover() == nil {
					t.Error("nothing panicked")
				}
			}()
			boom <- struct{}{}
			_ = w.reserve(t.Context())
		},
		"nobody is there": func(t *testing.T, w *world, _ *mood) {
			for _, s := range w.servers {
				s.kill()
			}
			time.Sleep(3 * time.Second)
			if err := w.reserve(t.Context()); denied(err) != nil || err == nil {
				t.Error(err)
			}
			for _, s := range w.servers {
				s.start()
			}
			time.Sleep(2500 * time.Millisecond) // less than an opening, and more than a backoff
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, mood := moody(t, 2, surefoot.WithHouseDefaults(&surefootv1.Service{
					Defaults: &surefootv1.Method{
						Breaker: &surefootv1.Breaker{ConsecutiveFailures: new(int32(3)), FailurePercent: new(int32(0)), Trials: new(int32(1)), Successes: new(int32(1))},
					},
				}), contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
					DeadlineMs: new(int64(0)),
					Retry: &surefootv1.Retry{
						Codes: []surefootv1.Code{surefootv1.Code_ABORTED}, Backoff: &surefootv1.Backoff{BaseMs: new(int64(1 << 30)), MaxMs: new(int64(1 << 30))},
					},
				}}}, nil), surefoot.WithAttemptInterceptor(perAttempt, nil))
				defer w.close()
				w.warm()
				mood.fails(codes.Internal)
				for range 3 {
					_ = w.reserve(t.Context())
					_, _ = w.stub.Get(t.Context(), getRequest)
				}
				if err := w.reserve(t.Context()); denied(err) == nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
				trial(t, w, mood)
				mood.works()
				if err := w.reserve(t.Context()); err != nil {
					t.Errorf("the next trial: %v", err)
				}
				if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
					t.Errorf("the next trial of Get: %v", err)
				}
			})
		})
	}
}

// A dry run decides and reports, and every call is made.
func TestADryRunDeniesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 2, breakerOf(&surefootv1.Breaker{DryRun: new(true)}))
		defer w.close()
		w.warm()
		mood.fails(codes.Unavailable)
		for range 30 {
			if err := w.reserve(t.Context()); denied(err) != nil {
				t.Fatal(err)
			}
		}
		calls, _ := w.seen()
		for i, c := range calls {
			if (c.Denial != nil) != (i >= 20) || i >= 20 && (!c.Denial.DryRun || len(c.Attempts) != 1) {
				t.Errorf("call %d: %+v", i, c)
			}
		}
		if w.reached() != 30 || len(calls) != 30 {
			t.Errorf("%d reached, %d calls", w.reached(), len(calls))
		}
		if len(w.breakers) != 1 || !w.breakers[0].DryRun {
			t.Errorf("%+v", w.breakers)
		}
		// A call that would have been denied and succeeds is seen, too.
		w.forget()
		mood.works()
		if err := w.reserve(t.Context()); err != nil {
			t.Error(err)
		}
		if calls, _ := w.seen(); len(calls) != 1 || calls[0].Denial == nil || calls[0].Err != nil {
			t.Errorf("%+v", calls)
		}
	})
}

// Streams count by whether they begin, and hold their place until they end.
func TestStreamsHaveABreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mood := moody(t, 2, breakerOf(&surefootv1.Breaker{
			MinCalls: new(int32(4)), MaxInFlight: new(int32(3)), Trials: new(int32(2)), Successes: new(int32(2)),
		}))
		defer w.close()
		w.warm()
		// open opens a stream and reads a message.
		open := func(ctx context.Context) (inventoryv1.Inventory_WatchClient, error) {
			s, err := w.stub.Watch(ctx, &inventoryv1.WatchRequest{})
			if err == nil {
				_, err = s.Recv()
			}
			return s, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			if _, err := open(ctx); err != nil {
				t.Fatal(err)
			}
		}
		_, err := open(t.Context())
		if denied(err) == nil || status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("a fourth stream: %v", err)
		}
		cancel()
		synctest.Wait()

		// The three that began and were abandoned have succeeded.
		mood.fails(codes.Unavailable)
		for i := range 3 {
			if _, err := open(t.Context()); denied(err) != nil || status.Code(err) != codes.Unavailable {
				t.Fatalf("stream %d: %v", i, err)
			}
		}
		if _, err := open(t.Context()); denied(err) == nil || !slices.Equal(w.states(), []string{"closed -> open"}) {
			t.Fatalf("%v, %q", err, w.states())
		}

		// A trial is over with the first message, though the stream goes on.
		time.Sleep(5 * time.Second)
		mood.works()
		ctx, cancel = context.WithCancel(t.Context())
		silent := make(chan struct{})
		mood.is(func(ctx context.Context) error { <-silent; return nil })
		var streams [2]inventoryv1.Inventory_WatchClient
		for i := range streams {
			if streams[i], err = w.stub.Watch(ctx, &inventoryv1.WatchRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err = w.stub.Watch(ctx, &inventoryv1.WatchRequest{}); denied(err) == nil {
			t.Fatalf("a third trial: %v", err)
		}
		close(silent)
		for _, s := range streams {
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"closed -> open", "open -> half-open", "half-open -> closed"}; !slices.Equal(w.states(), want) {
			t.Errorf("%q", w.states())
		}
		cancel()
		for _, s := range streams {
			if _, err := s.Recv(); status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		}
	})
}

// An interceptor that panics instead of opening a stream keeps no place.
func TestAStreamThatIsNeverOpenedGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics atomic.Bool
		perAttempt := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			if panics.Load() {
				panic("an interceptor that panics")
			}
			return streamer(ctx, desc, cc, method, opts...)
		}
		w, _ := moody(t, 1, breakerOf(&surefootv1.Breaker{MaxInFlight: new(int32(1))}), surefoot.WithAttemptInterceptor(nil, perAttempt))
		defer w.close()
		w.warm()
		watch := func() error {
			ctx, cancel := context.WithCancel(t.Context())
			defer synctest.Wait()
			defer cancel()
			_, err := w.stub.Watch(ctx, &inventoryv1.WatchRequest{})
			return err
		}
		panics.Store(true)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("nothing panicked")
				}
			}()
			_ = watch()
		}()
		panics.Store(false)
		for range 3 {
			if err := watch(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A stream that the server ends without a message has succeeded, and one that
// its caller gives up before one says nothing.
func TestAStreamWithoutAMessageIsJudgedByItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan func() error)
		w := newWorld(t, 1, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				select {
				case result := <-end:
					return result()
				case <-w.Context().Done():
					return w.Context().Err()
				}
			}
		}, breakerOf(&surefootv1.Breaker{ConsecutiveFailures: new(int32(2)), FailurePercent: new(int32(0)), MaxInFlight: new(int32(1))}))
		defer w.close()
		w.warm()
		// run opens a stream that ends with the result, or is given up if that is nil.
		run := func(result func() error) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			defer synctest.Wait()
			defer cancel()
			s, err := w.stub.Watch(ctx, &inventoryv1.WatchRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if result == nil {
				return
			}
			end <- result
			if _, err = s.Recv(); errors.Is(err, io.EOF) != (result() == nil) {
				t.Error(err)
			}
		}
		down := func() error { return status.Error(codes.Unavailable, "down") }
		ends := func() error { return nil }
		for range 5 {
			run(down)
			run(nil)
			run(ends)
		}
		if len(w.states()) > 0 {
			t.Errorf("%q", w.states())
		}
		run(down)
		run(nil)
		run(down)
		if want := []string{"closed -> open"}; !slices.Equal(w.states(), want) {
			t.Errorf("%q", w.states())
		}
	})
}
