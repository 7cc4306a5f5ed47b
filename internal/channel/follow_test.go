package channel_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A followed context counts who follows it, and who does no longer.
type followed struct {
	context.Context

	mu            sync.Mutex
	follows, left int
}

// Value hides that package context made it, which would follow it without a word.
func (f *followed) Value(key any) any {
	if _, ok := key.(*int); ok {
		return nil
	}
	return f.Context.Value(key)
}

func (f *followed) AfterFunc(fn func()) func() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follows++
	stop := context.AfterFunc(f.Context, fn)
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.left++
		return stop()
	}
}

func (f *followed) counts() (follows, left int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.follows, f.left
}

// slow is a server whose handler takes as long as the world says, or until its caller
// leaves.
func slow(takes *time.Duration) func(*server) {
	return func(s *server) {
		s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			select {
			case <-ctx.Done():
			case <-time.After(*takes):
			}
			return &inventoryv1.GetResponse{}, nil
		}
	}
}

// A context that lives long is asked for nothing by calls that are quick, and keeps
// nothing of those that are not.
func TestAnAttemptFollowsItsCallerOnceItLingers(t *testing.T) {
	for _, c := range []struct {
		name            string
		takes, deadline time.Duration
		follows         int
	}{
		{"quick", timeouts.Moment - 1, time.Second, 0},
		{"slow", 2 * timeouts.Moment, time.Second, 1},
		{"quick, without a deadline", timeouts.Moment - 1, 0, 0},
		{"quick, with no time for a repeat", timeouts.Moment - 1, attemptTimeout, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, slow(&c.takes), trusting(), timing(attemptTimeout))
				defer w.close()
				w.warm()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				caller := &followed{Context: ctx}
				if _, err := w.stub.Get(caller, getRequest); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if follows, left := caller.counts(); follows != c.follows || left != c.follows {
					t.Errorf("followed %d times, and left %d times; want %d", follows, left, c.follows)
				}
			})
		})
	}
}

// attemptTimeout is the shortest of an attempt that is told that it lingers.
const attemptTimeout = 4 * timeouts.Moment

// timing is a contract whose attempts have this timeout, which ends none of them as no
// repeat could be paid for, and whose calls end when their callers say.
func timing(timeout time.Duration) surefoot.ClientOption {
	return contractOf(map[string]*surefootv1.MethodContract{"Get": {
		Method: &surefootv1.Method{AttemptTimeoutMs: new(timeout.Milliseconds()), DeadlineMs: new(int64(0))},
	}}, &surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(0)), MinPerSecond: new(int32(0))}})
}

func TestACallerThatLeavesIsHeardWithinTwoMoments(t *testing.T) {
	afters := []time.Duration{1, timeouts.Moment - 1, timeouts.Moment, timeouts.Moment + 1, 2*timeouts.Moment - 1, 2 * timeouts.Moment, 100 * time.Millisecond}
	for _, timeout := range []time.Duration{time.Millisecond, attemptTimeout / 2, attemptTimeout, 250 * time.Millisecond} {
		for _, after := range afters {
			cancelAfter(t, timeout, after)
		}
	}
}

func cancelAfter(t *testing.T, timeout, after time.Duration) {
	t.Run(fmt.Sprintf("%v of %v", after, timeout), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var takes time.Duration
			w := newWorld(t, 1, slow(&takes), trusting(), timing(timeout))
			defer w.close()
			w.warm()
			takes = time.Minute
			time.Sleep(time.Second + timeouts.Moment/3) // whatever looks for what lingers has come to rest
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(after, cancel)
			start := time.Now()
			_, err := w.stub.Get(ctx, getRequest)
			if took := time.Since(start); status.Code(err) != codes.Canceled || took < after || took > max(after, 2*timeouts.Moment) {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
}

func TestADeadlineOfTheCallerIsExact(t *testing.T) {
	for _, hook := range []time.Duration{0, 4 * time.Millisecond, attemptTimeout - 1} { // that is run before an attempt
		synctest.Test(t, func(t *testing.T) {
			observer := &observe.Observer{}
			if hook > 0 {
				observer.AttemptStart = func(context.Context, string, int) { time.Sleep(hook) }
			}
			w := newWorld(t, 1, nil, trusting(), unguarded(), timing(attemptTimeout), surefoot.WithObserver(observer))
			defer w.close()
			w.warm()
			w.servers[0].hang() // or it would tell that the time is up
			for i := range 14 {
				deadline := timeouts.Moment*time.Duration(i+1)/2 + hook + time.Microsecond
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				start := time.Now()
				_, err := w.stub.Get(ctx, getRequest)
				cancel()
				if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || took != deadline {
					t.Errorf("%v, with a hook of %v: %v after %v", deadline, hook, err, took)
				}
			}
		})
	}
}

// A brokenCodec panics.
type brokenCodec struct{}

func (brokenCodec) Marshal(any) ([]byte, error) { panic("codec") }
func (brokenCodec) Unmarshal([]byte, any) error { return nil }
func (brokenCodec) Name() string                { return "proto" }

// However an attempt is ended before its time, a context that lives on keeps nothing
// of it.
func TestAnAttemptThatIsCutLeavesItsCaller(t *testing.T) {
	for name, c := range map[string]struct {
		hedge time.Duration
		takes time.Duration
		short bool // the attempt timeout, so that it follows at once
		opts  []grpc.CallOption
	}{
		"timed out":                {takes: time.Minute},
		"lost to a hedge":          {takes: time.Minute, hedge: 2 * timeouts.Moment},
		"lost to a hedge at once":  {takes: time.Minute, hedge: 1 * time.Millisecond},
		"broken off by a panic":    {short: true, opts: []grpc.CallOption{grpc.ForceCodec(brokenCodec{})}},
		"none: it is not cut then": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var takes time.Duration
				fast := time.Duration(0)
				w := newWorld(t, 2, func(s *server) {
					of := &fast
					if s.name == "a" {
						of = &takes
					}
					slow(of)(s)
				}, trusting(), unguarded(), hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
					m.AttemptTimeoutMs, m.DeadlineMs = new(attemptTimeout.Milliseconds()), new(int64(0))
					if c.short {
						m.AttemptTimeoutMs = new(int64(1))
					}
					m.Hedge = nil
					if c.hedge > 0 {
						m.Hedge = &surefootv1.Hedge{DelayMs: new(c.hedge.Milliseconds())}
					}
				}))
				defer w.close()
				w.warm()
				takes = c.takes
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				caller := &followed{Context: ctx}
				for range 20 {
					func() {
						defer func() {
							if got := recover(); (got != nil) != (len(c.opts) > 0) {
								t.Error(got)
							}
						}()
						if _, err := w.stub.Get(caller, getRequest, c.opts...); err != nil {
							t.Error(err)
						}
					}()
				}
				time.Sleep(time.Second)
				follows, left := caller.counts()
				if follows != left || c.takes > 0 && c.hedge != time.Millisecond && follows == 0 {
					t.Errorf("followed %d times, and left %d times", follows, left)
				}
			})
		})
	}
}

// Nothing is begun for a caller that has left, even if what is under way has not heard
// of it yet.
func TestNoHedgeIsMadeForACallerThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		var takes time.Duration
		w := newWorld(t, 2, slow(&takes), trusting(), unguarded(), hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
			m.AttemptTimeoutMs, m.DeadlineMs = new(attemptTimeout.Milliseconds()), new(int64(0))
			m.Hedge = &surefootv1.Hedge{DelayMs: new(int64(3))}
		}), surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) { made.Add(1) }}))
		defer w.close()
		w.warm()
		takes = time.Minute
		made.Store(0)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := w.stub.Get(ctx, getRequest); status.Code(err) != codes.Canceled {
			t.Error(err)
		}
		if made.Load() != 1 {
			t.Errorf("%d attempts", made.Load())
		}
	})
}

// A tough context takes its time to let anybody follow it.
type tough struct{ context.Context }

func (tough) Value(any) any { return nil }

func (c tough) AfterFunc(f func()) func() bool {
	time.Sleep(time.Second)
	return context.AfterFunc(c.Context, f)
}

func TestTheContextOfOneCallerHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil, trusting(), unguarded(), timing(attemptTimeout))
		defer w.close()
		w.warm()
		w.servers[0].hang()
		var all sync.WaitGroup
		defer all.Wait()
		call := func(of func(context.Context) context.Context, after, most time.Duration) {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(after, cancel)
				start := time.Now()
				_, err := w.stub.Get(of(ctx), getRequest)
				if took := time.Since(start); status.Code(err) != codes.Canceled || took > most {
					t.Errorf("%v after %v, want at most %v", err, took, most)
				}
			})
		}
		for range 20 {
			call(func(ctx context.Context) context.Context { return tough{ctx} }, 50*time.Millisecond, 2*time.Second)
			call(func(ctx context.Context) context.Context { return ctx }, 8*time.Millisecond, 2*timeouts.Moment)
			time.Sleep(time.Microsecond)
		}
	})
}

// What a call has tried is noted on its caller's goroutine, while a hedge picks on its
// own.
func TestAHedgePicksWhileAnAttemptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if s.gets.Load()%2 == 1 {
					time.Sleep(hedgeDelay)
					return nil, status.Error(codes.Unavailable, "down")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, trusting(), unguarded(), hedging(func(*surefootv1.Service, *surefootv1.Method) {}))
		defer w.close()
		w.warm()
		for range 300 {
			_, err := w.stub.Get(t.Context(), getRequest)
			if code := status.Code(err); code != codes.OK && code != codes.Unavailable {
				t.Error(err)
			}
		}
	})
}
