package channel_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
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
const attemptTimeout = 2 * timeouts.Moment

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
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil, trusting(), timing(attemptTimeout))
		defer w.close()
		w.warm()
		w.servers[0].hang() // or it would tell that the time is up
		for i := range 14 { // fewer than would open the breaker
			deadline := timeouts.Moment * time.Duration(i+1) / 3
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			start := time.Now()
			_, err := w.stub.Get(ctx, getRequest)
			cancel()
			if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || took != deadline {
				t.Errorf("%v: %v after %v", deadline, err, took)
			}
		}
	})
}
