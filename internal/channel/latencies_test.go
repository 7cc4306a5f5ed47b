package channel_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// learning is a world whose servers take 10ms, and longer for "slow".
func learning(t *testing.T, slow time.Duration, m *surefootv1.Method) (w *world, slowed *atomic.Int64) {
	slowed = new(atomic.Int64)
	w = newWorld(t, 3, func(s *server) {
		s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			d := 10 * time.Millisecond
			if r.GetSku() == "slow" && slowed.Add(1) == 1 {
				d = slow
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(d):
				return &inventoryv1.GetResponse{}, nil
			}
		}
	}, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: m}}, nil), trusting())
	w.warm()
	return w, slowed
}

// learn makes n calls, and goes on to when they count.
func (w *world) learn(n int) {
	for range n {
		if _, err := w.stub.Get(w.t.Context(), getRequest); err != nil {
			w.t.Fatal(err)
		}
	}
	time.Sleep(time.Second) // virtual
}

// slow makes a call whose first attempt takes long, and returns how long it took.
func (w *world) slow(opts ...grpc.CallOption) (time.Duration, error) {
	start := time.Now()
	_, err := w.stub.Get(w.t.Context(), &inventoryv1.GetRequest{Sku: "slow"}, opts...)
	return time.Since(start), err
}

func TestDeadlineFollowsWhatCallsTook(t *testing.T) {
	method := &surefootv1.Method{
		DeadlineMs: new(int64(2000)), AttemptTimeoutMs: new(int64(0)),
		DeadlineObserved: &surefootv1.Observed{QuantilePermille: new(int32(990)), FactorPercent: new(int32(300)), FloorMs: new(int64(1))},
	}
	for _, c := range []struct {
		name       string
		calls      int
		opts       []grpc.CallOption
		want       codes.Code
		least, max time.Duration
	}{
		{"too few are known", 50, nil, codes.OK, time.Second, time.Second},
		{"three times what 99 of a hundred took", 150, nil, codes.DeadlineExceeded, 30 * time.Millisecond, 34 * time.Millisecond},
		{"a call may ask for less", 150, []grpc.CallOption{call.Deadline(20 * time.Millisecond)}, codes.DeadlineExceeded, 20 * time.Millisecond, 20 * time.Millisecond},
		{"and not for more", 150, []grpc.CallOption{call.Deadline(time.Second)}, codes.DeadlineExceeded, 30 * time.Millisecond, 34 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := learning(t, time.Second, method)
				defer w.close()
				w.learn(c.calls)
				took, err := w.slow(c.opts...)
				if status.Code(err) != c.want || took < c.least || took > c.max {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

func TestAttemptTimeoutFollowsWhatAttemptsTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, slowed := learning(t, time.Second, &surefootv1.Method{
			AttemptTimeoutMs:       new(int64(500)),
			AttemptTimeoutObserved: &surefootv1.Observed{QuantilePermille: new(int32(990)), FactorPercent: new(int32(300)), FloorMs: new(int64(1))},
		})
		defer w.close()
		took, err := w.slow()
		if err != nil || took != 510*time.Millisecond {
			t.Errorf("not known yet: %v after %v", err, took)
		}
		w.learn(150)
		slowed.Store(0)
		if took, err = w.slow(); err != nil || took < 40*time.Millisecond || took > 44*time.Millisecond {
			t.Errorf("known: %v after %v", err, took)
		}
	})
}

// A service that has become slow is given more time, up to the ceiling: what
// timed out took at least that long.
func TestWhatTimedOutMakesTheTimeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		w := newWorld(t, 3, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				d := 10 * time.Millisecond
				if slow.Load() {
					d = 100 * time.Millisecond
				}
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(d):
					return &inventoryv1.GetResponse{}, nil
				}
			}
		}, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			AttemptTimeoutMs: new(int64(0)),
			DeadlineObserved: &surefootv1.Observed{QuantilePermille: new(int32(500)), FactorPercent: new(int32(200)), FloorMs: new(int64(1))},
		}}}, nil), surefoot.WithHouseDefaults(&surefootv1.Service{
			Connection: &surefootv1.Connection{Liveness: &surefootv1.Liveness{Off: new(true)}},
			Defaults:   &surefootv1.Method{Breaker: &surefootv1.Breaker{Off: new(true)}},
			Balance:    &surefootv1.Balance{Ejection: &surefootv1.Ejection{Off: new(true)}},
		}))
		defer w.close()
		w.warm()
		w.learn(150)
		slow.Store(true)
		var calls int
		for calls = 1; calls < 5000; calls++ {
			if _, err := w.stub.Get(t.Context(), getRequest); err == nil {
				break
			}
		}
		if calls < 10 || calls == 5000 {
			t.Errorf("the first to have the time it takes was the call %d", calls)
		}
	})
}
