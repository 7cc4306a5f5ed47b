package channel_test

import (
	"context"
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

// A caller whose context has no deadline, or a later one, is told which deadline
// ended the call. What the context's deadline ended says so as grpc-go does, and
// what the server says of a deadline is the server's.
func TestTheDeadlineOfTheContractIsNamed(t *testing.T) {
	const own = "context deadline exceeded"
	// The server knows of the deadline, and may be the first to end the stream for it.
	const reset = "stream terminated by RST_STREAM with error code: CANCEL"
	for name, c := range map[string]struct {
		context time.Duration // 0 is none
		option  []grpc.CallOption
		sku     string
		took    time.Duration
		want    string
	}{
		"of the contract":                     {0, nil, "slow", time.Second, "surefoot: the call was not over within 1s (deadline_ms)"},
		"of the contract, before the context": {time.Minute, nil, "slow", time.Second, "surefoot: the call was not over within 1s (deadline_ms)"},
		"of the call":                         {0, []grpc.CallOption{call.Deadline(300 * time.Millisecond)}, "slow", 300 * time.Millisecond, "surefoot: the call was not over within 300ms (deadline_ms)"},
		"of the context":                      {500 * time.Millisecond, nil, "slow", 500 * time.Millisecond, own},
		"of the server":                       {0, nil, "late", 0, "a service below was late"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, func(s *server) {
					s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
						switch r.GetSku() {
						case "slow":
							<-ctx.Done()
							time.Sleep(time.Millisecond) // or it answers at the same time
						case "late":
							return nil, status.Error(codes.DeadlineExceeded, "a service below was late")
						}
						return &inventoryv1.GetResponse{}, nil
					}
				}, trusting(), contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
					DeadlineMs: new(int64(1000)), AttemptTimeoutMs: new(int64(0)), Retry: &surefootv1.Retry{MaxAttempts: new(int32(1))},
				}}}, nil))
				defer w.close()
				w.warm()
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if c.context > 0 {
					ctx, cancel = context.WithTimeout(ctx, c.context)
				}
				defer cancel()
				defer time.Sleep(time.Second)
				start := time.Now()
				_, err := w.stub.Get(ctx, &inventoryv1.GetRequest{Sku: c.sku}, c.option...)
				if st := status.Convert(err); st.Code() != codes.DeadlineExceeded || st.Message() != c.want && (c.want != own || st.Message() != reset) || time.Since(start) != c.took {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

// So is that of a stream from which nothing has come. Once headers came nobody can
// tell who says it.
func TestTheDeadlineOfAStreamIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, out inventoryv1.Inventory_WatchServer) error {
				<-out.Context().Done()
				time.Sleep(time.Millisecond) // or it answers at the same time
				return out.Context().Err()
			}
		}, trusting(), contractOf(map[string]*surefootv1.MethodContract{"Watch": {Method: &surefootv1.Method{DeadlineMs: new(int64(1000))}}}, nil))
		defer w.close()
		w.warm()
		defer time.Sleep(time.Second)
		stream, err := w.stub.Watch(t.Context(), watchRequest)
		if err == nil {
			_, err = stream.Recv()
		}
		if st := status.Convert(err); st.Code() != codes.DeadlineExceeded || st.Message() != "surefoot: the call was not over within 1s (deadline_ms)" {
			t.Errorf("%v", err)
		}
	})
}
