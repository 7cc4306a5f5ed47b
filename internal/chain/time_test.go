package chain_test

import (
	"context"
	"sync"
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

const ms = time.Millisecond

// left returns a handler that tells how much time it is given.
func left(given *time.Duration) func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	return func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
		*given = 0
		if d, ok := ctx.Deadline(); ok {
			*given = time.Until(d).Round(100 * time.Microsecond) // the wire rounds up
		}
		return &inventoryv1.GetResponse{}, nil
	}
}

// roomy is a contract whose own deadlines come late, so that those of the callers
// are seen.
func roomy(margin *int64) surefoot.ClientOption {
	return contractOf(&surefootv1.Method{DeadlineMs: new(int64(3_600_000)), AttemptTimeoutMs: new(int64(0)), DeadlineMarginMs: margin})
}

func TestEachHopPassesOnTheTimeThatIsLeftButForAMargin(t *testing.T) {
	for _, c := range []struct {
		name   string
		margin *int64
		caller time.Duration
		want   [3]time.Duration
	}{
		{"the house's margin", nil, time.Second, [3]time.Duration{time.Second, 980 * ms, 960 * ms}},
		{"the contract's", new(int64(50)), time.Second, [3]time.Duration{time.Second, 950 * ms, 900 * ms}},
		{"none", new(int64(0)), time.Second, [3]time.Duration{time.Second, time.Second, time.Second}},
		{"a tenth of little", nil, 100 * ms, [3]time.Duration{100 * ms, 90 * ms, 81 * ms}},
		{"a caller without a deadline", nil, 0, [3]time.Duration{0, time.Hour, time.Hour - 20*ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				var got [3]time.Duration
				_, tiers := n.chainOf(3, roomy(c.margin))
				for i := range tiers {
					for _, s := range tiers[i] {
						s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
							_, _ = left(&got[i])(ctx, r)
							if s.below == nil {
								return &inventoryv1.GetResponse{}, nil
							}
							return s.below.Get(ctx, r)
						}
					}
				}
				ctx := t.Context()
				if c.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.caller)
					defer cancel()
				}
				if _, err := n.plainClient(names("tier0-", 2)).Get(ctx, anvil); err != nil {
					t.Fatal(err)
				}
				if got != c.want {
					t.Errorf("the tiers were given %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A margin is for calls that the handler waits for.
func TestTheMarginDependsOnTheHandlersContext(t *testing.T) {
	for _, c := range []struct {
		name   string
		derive func(ctx context.Context) (context.Context, context.CancelFunc)
		want   time.Duration
	}{
		{"its own", func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }, 980 * ms},
		{"a shorter one", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 300*ms)
		}, 300 * ms},
		{"a little shorter than its own", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 990*ms)
		}, 980 * ms},
		{"detached", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithoutCancel(ctx), func() {}
		}, time.Hour},
		{"detached with a time of its own", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		}, 5 * time.Second},
		{"another", func(context.Context) (context.Context, context.CancelFunc) { return context.Background(), func() {} }, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				var got time.Duration
				n.serve("bottom", surefootService(t), &tier{get: left(&got)})
				below := n.client([]string{"bottom"}, roomy(nil))
				n.serve("top", surefootService(t), &tier{get: func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					ctx, cancel := c.derive(ctx)
					defer cancel()
					return below.Get(ctx, r)
				}})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := n.plainClient([]string{"top"}).Get(ctx, anvil); err != nil {
					t.Fatal(err)
				}
				if got != c.want {
					t.Errorf("given %v, want %v", got, c.want)
				}
			})
		})
	}
}

// The bottom is too slow. Those above still say so within their callers' time, each
// in words of its own: nobody is left with a deadline and no reason.
func TestAServerHasTimeToSayWhatWentWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		n.serve("bottom", surefootService(t), &tier{get: func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			<-ctx.Done()
			time.Sleep(ms) // or it may answer first
			return nil, ctx.Err()
		}})
		below := n.client([]string{"bottom"}, roomy(nil))
		var told string
		n.serve("middle", surefootService(t), &tier{get: func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			_, err := below.Get(ctx, r)
			told = status.Convert(err).Message()
			return nil, status.Errorf(codes.FailedPrecondition, "the stock is not known: %v", status.Code(err))
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := n.client([]string{"middle"}, roomy(nil)).Get(ctx, anvil)
		if status.Code(err) != codes.FailedPrecondition || time.Since(began) != 980*ms {
			t.Errorf("%v after %v, want the reason after 980ms", err, time.Since(began))
		}
		time.Sleep(time.Second) // the bottom's handler ends
		if want := "surefoot: the call was not over within 980ms, which is what the call that it is made for leaves it (deadline_margin_ms)"; told != want {
			t.Errorf("the handler is told %q, want %q", told, want)
		}
	})
}

// What ends with the time of the call that it is made for leaves nobody above time
// for another attempt. What ends at a deadline of its own does.
func TestTheAnswerToACallThatRanOutOfTime(t *testing.T) {
	for _, c := range []struct {
		name string
		own  *int64
		want int
	}{
		{"its caller's", new(int64(3_600_000)), 1},
		{"its own", new(int64(100)), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				n.serve("bottom", surefootService(t), &tier{get: func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}})
				below := n.client([]string{"bottom"}, contractOf(&surefootv1.Method{DeadlineMs: c.own, AttemptTimeoutMs: new(int64(0))}))
				n.serve("middle", surefootService(t), &tier{below: below})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var trailer metadata.MD
				_, err := n.plainClient([]string{"middle"}).Get(ctx, anvil, grpc.Trailer(&trailer))
				if got := len(trailer[pushback]); status.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil || got != c.want {
					t.Errorf("%v, told %v", err, trailer)
				}
			})
		})
	}
}

// A stream that is opened while serving a call ends before it, too.
func TestAStreamKeepsTheMarginOfTheCallThatItIsMadeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		n.serve("bottom", surefootService(t), &tier{watch: func(_ *inventoryv1.WatchRequest, s inventoryv1.Inventory_WatchServer) error {
			<-s.Context().Done()
			return s.Context().Err()
		}})
		below := n.client([]string{"bottom"})
		var took time.Duration
		n.serve("top", surefootService(t), &tier{get: func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			began := time.Now()
			stream, err := below.Watch(ctx, &inventoryv1.WatchRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			took = time.Since(began)
			return &inventoryv1.GetResponse{}, err
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.plainClient([]string{"top"}).Get(ctx, anvil)
		if status.Code(err) != codes.DeadlineExceeded || took != 980*ms || ctx.Err() != nil {
			t.Errorf("%v after %v, want the end of the stream after 980ms", err, took)
		}
	})
}

// The callers give up while the bottom fails, so that everybody below would repeat.
// What starts afterwards is work for nobody.
func TestNothingStartsForACallerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		var mu sync.Mutex
		gaveUp := false
		late := 0
		client, tiers := n.chainOf(3, contractOf(&surefootv1.Method{
			AttemptTimeoutMs: new(int64(30)),
			Retry:            &surefootv1.Retry{MaxAttempts: new(int32(10))},
			Breaker:          &surefootv1.Breaker{Off: new(true)},
		}), surefoot.WithHouseDefaults(&surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100)), MinPerSecond: new(int32(1000))}}))
		for _, bottom := range tiers[2] {
			bottom.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				mu.Lock()
				if gaveUp {
					late++
				}
				mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(7 * ms):
				}
				return nil, unavailable
			}
		}
		// A handler that goes on whatever it is told.
		for _, middle := range tiers[1] {
			middle.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				var err error
				for range 50 {
					_, err = middle.below.Get(ctx, r)
				}
				return nil, err
			}
		}
		for _, c := range []struct {
			name  string
			leave func() (context.Context, context.CancelFunc)
		}{
			{"cancelled", func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }},
			{"out of time", func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), 100*ms) }},
		} {
			mu.Lock()
			gaveUp, late = false, 0
			mu.Unlock()
			before := reached(tiers[2])
			ctx, cancel := c.leave()
			var calls sync.WaitGroup
			for range 50 {
				calls.Go(func() { _, _ = client.Get(ctx, anvil) })
			}
			pass(t, 101*ms)
			cancel()
			calls.Wait()
			synctest.Wait() // for whatever was on its way
			mu.Lock()
			gaveUp = true
			mu.Unlock()
			pass(t, time.Minute)
			if late != 0 || reached(tiers[2]) == before {
				t.Errorf("%s: %d of %d attempts reached the bottom when the callers were gone", c.name, late, reached(tiers[2])-before)
			}
		}
	})
}
