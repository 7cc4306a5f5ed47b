package channel_test

import (
	"context"
	"errors"
	"net"
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
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// waiting returns an option that has calls wait that long for an endpoint.
func waiting(d time.Duration) surefoot.ClientOption {
	return surefoot.WithHouseDefaults(&surefootv1.Service{Defaults: &surefootv1.Method{WaitForReadyMs: new(d.Milliseconds())}})
}

// noBudget returns an option that allows no repeats.
func noBudget() surefoot.ClientOption {
	return contractOf(nil, &surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(0)), MinPerSecond: new(int32(0))}})
}

// All servers restart: a call of any method waits, is made once, and costs the
// budget nothing.
func TestCallsRideOutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil, noBudget())
		defer w.close()
		w.warm()
		for _, s := range w.servers {
			s.kill()
		}
		synctest.Wait() // until the client knows: what it sends before may be lost
		time.AfterFunc(700*time.Millisecond, func() {
			for _, s := range w.servers {
				s.start()
			}
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				stream, err := w.stub.Watch(t.Context(), watchRequest)
				if err == nil {
					_, err = stream.Recv()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		applied := int64(0)
		for _, s := range w.servers {
			applied += s.applied.Load()
		}
		calls, _ := w.seen()
		for _, c := range calls {
			for i, a := range c.Attempts {
				if a.Number != i+1 {
					t.Errorf("attempt %d is number %d", i+1, a.Number)
				}
				if last := i == len(c.Attempts)-1; last != (a.Verdict == "success") || !last && a.Verdict != "unprocessed" {
					t.Errorf("%+v", c.Attempts)
				}
			}
		}
		if applied != 20 {
			t.Errorf("applied %d times, want 20", applied)
		}
	})
}

// Calls that were in flight when all servers died go on once one is back.
func TestALostCallWaitsForAnEndpointBeforeItIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		w := newWorld(t, 2, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() != "warm" {
					select {
					case <-hold:
					case <-ctx.Done():
					}
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, trusting(), contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(0))}}}, nil))
		defer w.close()
		w.warm()
		result := make(chan error)
		go func() {
			_, err := w.stub.Get(t.Context(), getRequest)
			result <- err
		}()
		synctest.Wait()
		for _, s := range w.servers {
			s.kill()
		}
		synctest.Wait()
		close(hold)
		time.AfterFunc(700*time.Millisecond, w.servers[0].start)
		if err := <-result; err != nil {
			t.Error(err)
		}
		_, attempts := w.seen()
		last := attempts[len(attempts)-1]
		if attempts[0].Verdict != "lost" || last.Verdict != "success" || last.Start.Sub(attempts[0].Start) < 700*time.Millisecond {
			t.Errorf("%+v", attempts)
		}
	})
}

// A call waits no longer than it may, and says for what.
func TestTheWaitForAnEndpointIsBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		wait time.Duration
		ctx  time.Duration
		opts []grpc.CallOption
		code codes.Code
		took time.Duration
		says string
	}{
		{name: "the contract's bound", wait: 500 * time.Millisecond, code: codes.Unavailable, took: 500 * time.Millisecond,
			says: "surefoot: no endpoint of fleet:///inventory was ready within 500ms (wait_for_ready_ms): none of 2 endpoints can be connected; the last error: "},
		{name: "the house's bound", wait: 2 * time.Second, ctx: 3 * time.Second, code: codes.Unavailable, took: 2 * time.Second, says: "surefoot: "},
		{name: "the deadline first", wait: 5 * time.Second, ctx: 300 * time.Millisecond, code: codes.DeadlineExceeded, took: 300 * time.Millisecond,
			says: "surefoot: the deadline passed after 300ms, while no endpoint of fleet:///inventory was ready: none of 2"},
		{name: "none", wait: 0, code: codes.Unavailable, took: 0, says: "none of 2 endpoints can be connected; the last error: "},
		{name: "the caller wants none", wait: time.Second, opts: []grpc.CallOption{grpc.WaitForReady(false)}, code: codes.Unavailable, took: 0},
		{name: "the caller waits", wait: time.Second, ctx: 1500 * time.Millisecond, opts: []grpc.CallOption{grpc.WaitForReady(true)}, code: codes.DeadlineExceeded, took: 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, nil, waiting(c.wait), contractOf(map[string]*surefootv1.MethodContract{
					"Get": {Method: &surefootv1.Method{DeadlineMs: new(int64(10_000))}},
				}, nil))
				defer w.close()
				w.warm()
				for _, s := range w.servers {
					s.kill()
				}
				synctest.Wait()
				for name, do := range map[string]func(context.Context) error{
					"unary": func(ctx context.Context) error { _, err := w.stub.Get(ctx, getRequest, c.opts...); return err },
					"stream": func(ctx context.Context) error {
						stream, err := w.stub.Watch(ctx, watchRequest, c.opts...)
						if err == nil {
							_, err = stream.Recv()
						}
						return err
					},
				} {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if c.ctx > 0 {
						ctx, cancel = context.WithTimeout(ctx, c.ctx)
					}
					w.forget()
					start := time.Now()
					err := do(ctx)
					took := time.Since(start)
					cancel()
					if status.Code(err) != c.code || took < c.took || took > c.took+50*time.Millisecond || !strings.Contains(err.Error(), c.says) {
						t.Errorf("%s: %v after %v", name, err, took)
					}
					verdict := "unprocessed"
					if c.ctx > 0 && c.opts != nil { // grpc-go waits, and the deadline ends it
						verdict = "expired"
					}
					var ce *surefoot.CallError
					if !errors.As(err, &ce) || ce.MayHaveBeenApplied() || len(ce.Call.Attempts) > 1 || ce.Verdict() != verdict {
						t.Errorf("%s: %+v", name, ce)
					}
				}
			})
		})
	}
}

// A name that nobody answers for is waited for as well.
func TestACallWaitsForTheNameAsLongAsForAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := manual.NewBuilderWithScheme("silent")
		client, err := surefoot.NewClient("silent:///inventory", surefoot.WithInsecure(), waiting(time.Second),
			surefoot.WithDialOptions(grpc.WithResolvers(names), grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
				return nil, errors.New("nobody is there")
			})))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		start := time.Now()
		_, err = inventoryv1.NewInventoryClient(client).Get(t.Context(), getRequest)
		if took := time.Since(start); status.Code(err) != codes.Unavailable || took != time.Second || !strings.Contains(err.Error(), "look-up of its name") {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// Whoever waits ends at once with its caller, and with the client.
func TestAWaitForAnEndpointEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil)
		w.warm()
		w.servers[0].kill()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		start := time.Now()
		_, err := w.stub.Get(ctx, getRequest)
		if took := time.Since(start); status.Code(err) != codes.Canceled || took != 100*time.Millisecond || !strings.Contains(err.Error(), "the caller gave up") || verdictOf(err) != "abandoned" {
			t.Errorf("the caller: %v after %v", err, took)
		}
		time.AfterFunc(100*time.Millisecond, w.close)
		start = time.Now()
		_, err = w.stub.Get(t.Context(), getRequest)
		if took := time.Since(start); status.Code(err) != codes.Canceled || took != 100*time.Millisecond || !strings.Contains(err.Error(), "the client was closed") || verdictOf(err) != "local" {
			t.Errorf("the client: %v after %v", err, took)
		}
	})
}

// The observer is told of an attempt that found no endpoint and of the one in its
// place, and servers count one.
func TestTheAttemptInPlaceOfOneWithoutAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var armed atomic.Bool
		var previous [][]string
		w = newWorld(t, 1, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				if previous = append(previous, md.Get("grpc-previous-rpc-attempts")); r.GetSku() == "it" && len(previous) == 1 {
					return nil, status.Error(codes.Unavailable, "not now")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) {
			if !armed.Swap(false) {
				return
			}
			// Between the look at who is ready and the pick.
			w.servers[0].kill()
			time.Sleep(10 * time.Millisecond) // virtual: the loss is seen
			time.AfterFunc(100*time.Millisecond, w.servers[0].start)
		}}))
		defer w.close()
		w.warm()
		previous = nil
		armed.Store(true)
		if _, err := w.stub.Get(t.Context(), it); err != nil {
			t.Fatal(err)
		}
		_, attempts := w.seen()
		if len(attempts) != 3 || attempts[0].Verdict != "unprocessed" || attempts[1].Verdict != "fault" || attempts[2].Verdict != "success" {
			t.Errorf("told %+v", attempts)
		}
		if len(previous) != 2 || len(previous[0]) != 0 || !slices.Equal(previous[1], []string{"1"}) {
			t.Errorf("previous attempts %q", previous)
		}
	})
}

// What a call waits for an endpoint, it waits in all: before its first attempt and
// before each further one.
func TestTheWaitsOfACallAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil, waiting(time.Second))
		defer w.close()
		s := w.servers[0]
		s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			if r.GetSku() != "warm" {
				s.kill()
				return nil, ctx.Err()
			}
			return &inventoryv1.GetResponse{}, nil
		}
		w.warm()
		s.kill()
		synctest.Wait()
		time.AfterFunc(500*time.Millisecond, s.start) // to be killed by the call
		start := time.Now()
		_, err := w.stub.Get(t.Context(), getRequest)
		_, attempts := w.seen()
		if status.Code(err) != codes.Unavailable || len(attempts) != 1 || attempts[0].Verdict != "lost" {
			t.Fatalf("%v, attempts %+v", err, attempts)
		}
		if first := attempts[0].Start.Sub(start); first < 400*time.Millisecond {
			t.Fatalf("it waited %v only before its first attempt", first)
		}
		if took := time.Since(start); took < time.Second || took > 1100*time.Millisecond {
			t.Errorf("over after %v, want the second of wait_for_ready_ms", took)
		}
	})
}

// A call whose attempt found no endpoint, and that waited in vain for one, says what
// it waited for and not what became of that attempt.
func TestAnAttemptWithoutAnEndpointIsNotTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var armed atomic.Bool
		w = newWorld(t, 1, nil, surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) {
			if armed.Swap(false) { // between the look at who is ready and the pick
				w.servers[0].kill()
				time.Sleep(10 * time.Millisecond) // virtual: the loss is seen
			}
		}}), waiting(time.Second))
		defer w.close()
		w.warm()
		armed.Store(true)
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{})
		ce, ok := errors.AsType[*surefoot.CallError](err)
		if status.Code(err) != codes.Unavailable || !strings.HasPrefix(status.Convert(err).Message(), "surefoot: no endpoint of fleet:///inventory was ready within 1s (wait_for_ready_ms)") ||
			!ok || ce.MayHaveBeenApplied() || len(ce.Call.Attempts) != 1 {
			t.Errorf("%v", err)
		}
	})
}

// verdictOf returns what is known of how a call ended.
func verdictOf(err error) string {
	var ce *surefoot.CallError
	if !errors.As(err, &ce) {
		return ""
	}
	return ce.Verdict()
}
