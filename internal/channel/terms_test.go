package channel_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// sku returns a request of a little more than n KiB.
func sku(n int) *inventoryv1.GetRequest {
	return &inventoryv1.GetRequest{Sku: strings.Repeat("x", n<<10)}
}

// silent makes the handlers of a server answer nothing but what warms up.
func silent(s *server) {
	s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
		if r.GetSku() == "warm" {
			return &inventoryv1.GetResponse{}, nil
		}
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func TestALargeRequestHasMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, silent, trusting(), contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			DeadlineMs: new(int64(1000)), DeadlinePerKibUs: new(int64(2000)), AttemptTimeoutMs: new(int64(0)),
		}}}, nil))
		defer w.close()
		for _, c := range []struct {
			name string
			kib  int
			ctx  time.Duration
			opts []grpc.CallOption
			want time.Duration
		}{
			{name: "small", want: time.Second},
			{name: "100 KiB", kib: 100, want: 1200 * time.Millisecond},
			{name: "the context caps it", kib: 100, ctx: 500 * time.Millisecond, want: 500 * time.Millisecond},
			{name: "a longer context does not", kib: 100, ctx: time.Hour, want: 1200 * time.Millisecond},
			{name: "a call narrows what it comes to", kib: 1000, opts: []grpc.CallOption{call.Deadline(2 * time.Second)}, want: 2 * time.Second},
			{name: "a call cannot widen it", kib: 100, opts: []grpc.CallOption{call.Deadline(time.Hour)}, want: 1200 * time.Millisecond},
		} {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if c.ctx > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.ctx)
			}
			start := time.Now()
			_, err := w.stub.Get(ctx, sku(c.kib), c.opts...)
			took := time.Since(start)
			cancel()
			if status.Code(err) != codes.DeadlineExceeded || took < c.want || took > c.want+50*time.Millisecond {
				t.Errorf("%s: %v after %v, want DEADLINE_EXCEEDED after %v", c.name, status.Code(err), took, c.want)
			}
		}
	})
}

func TestALargeRequestHasMoreTimeForEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			if s.name == "a" {
				silent(s)
			}
		}, trusting(), contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			DeadlineMs: new(int64(10_000)), AttemptTimeoutMs: new(int64(100)), AttemptTimeoutPerKibUs: new(int64(1000)),
			Retry: &surefootv1.Retry{MaxAttempts: new(int32(3))},
		}}}, &surefootv1.Service{
			Balance:     &surefootv1.Balance{Ejection: &surefootv1.Ejection{Off: new(true)}},
			RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100)), MinPerSecond: new(int32(100))},
		}))
		defer w.close()
		w.warm()
		for _, c := range []struct {
			kib  int
			opts []grpc.CallOption
			want time.Duration
		}{
			{0, nil, 100 * time.Millisecond},
			{500, nil, 600 * time.Millisecond},
			{500, []grpc.CallOption{call.AttemptTimeout(300 * time.Millisecond)}, 300 * time.Millisecond},
			{500, []grpc.CallOption{call.AttemptTimeout(time.Hour)}, 600 * time.Millisecond},
		} {
			slow := 0
			for range 4 {
				start := time.Now()
				if _, err := w.stub.Get(t.Context(), sku(c.kib), c.opts...); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took >= c.want {
					slow++
					if took > c.want+50*time.Millisecond {
						t.Errorf("%d KiB, %d options: took %v, want %v", c.kib, len(c.opts), took, c.want)
					}
				}
			}
			if slow == 0 {
				t.Errorf("%d KiB, %d options: no call waited for %v", c.kib, len(c.opts), c.want)
			}
		}
	})
}

// Every attempt fails: repeats end where max_elapsed_ms says, long before the
// deadline and with attempts left.
func TestNoRepeatStartsOnceTheCallHasTakenTooLong(t *testing.T) {
	const elapsed = 100 * time.Millisecond
	for range 20 { // the backoff is random
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, func(s *server) {
				s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					time.Sleep(40 * time.Millisecond) // three are too many before the budget is
					return nil, status.Error(codes.Aborted, "busy")
				}
			}, trusting(), contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
				DeadlineMs: new(int64(10_000)), AttemptTimeoutMs: new(int64(0)),
				Retry: &surefootv1.Retry{MaxAttempts: new(int32(10)), MaxElapsedMs: new(elapsed.Milliseconds())},
			}}}, nil))
			defer w.close()
			start := time.Now()
			_, err := w.stub.Get(t.Context(), getRequest)
			_, attempts := w.seen()
			last := attempts[len(attempts)-1]
			if status.Code(err) != codes.Aborted || last.Start.Sub(start) >= elapsed || !strings.HasPrefix(last.Next, "too late to repeat") {
				t.Fatalf("%v; %d attempts, the last one after %v: %+v", err, len(attempts), last.Start.Sub(start), last)
			}
		})
	}
}
