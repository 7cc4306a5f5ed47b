package channel_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// slowly answers after d, but for the calls that warm up.
func slowly(d time.Duration) func(*server) {
	return func(s *server) {
		s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			if r.GetSku() != "warm" {
				select {
				case <-time.After(d):
				case <-ctx.Done():
				}
			}
			return &inventoryv1.GetResponse{}, nil
		}
	}
}

// herd makes n calls at once and returns how many ended with each code.
func (w *world) herd(t *testing.T, n int, opts ...grpc.CallOption) map[codes.Code]int {
	t.Helper()
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got = make(map[codes.Code]int)
	)
	for range n {
		wg.Go(func() {
			_, err := w.stub.Get(t.Context(), getRequest, opts...)
			mu.Lock()
			defer mu.Unlock()
			got[status.Code(err)]++
		})
	}
	wg.Wait()
	return got
}

// Every server is slow, so all attempts time out together. Only as many are
// ended as can be repeated; the others get their slow answer.
func TestTimeoutsOfManyAttemptsEndOnlyWhatCanBeRepeated(t *testing.T) {
	for _, n := range []int{20, 100} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 4, slowly(400*time.Millisecond))
			defer w.close()
			w.warm()
			w.forget()
			if got := w.herd(t, n); got[codes.OK] != n {
				t.Errorf("%d calls ended %v", n, got)
			}
			if _, attempts := w.seen(); len(attempts) == n {
				t.Error("no attempt timed out: nothing was tested")
			}
		})
	}
}

// Calls wait for their first endpoint for longer than an attempt may take.
func TestAttemptThatWaitsForAnEndpointDoesNotTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.close()
		nobody := resolver.State{}
		for _, a := range []string{"x1", "x2"} {
			nobody.Endpoints = append(nobody.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
		}
		w.names.InitialState(nobody)
		w.client.Connect()
		time.AfterFunc(600*time.Millisecond, func() { w.names.UpdateState(w.state(w.servers...)) })
		if got := w.herd(t, 60, grpc.WaitForReady(true)); got[codes.OK] != 60 {
			t.Errorf("60 calls ended %v", got)
		}
	})
}

// A server takes few streams at a time: attempts queue inside the client.
func TestAttemptsThatQueueForAStreamAreNotCancelledForTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			slowly(300 * time.Millisecond)(s)
			s.options = []grpc.ServerOption{grpc.MaxConcurrentStreams(10)}
		}, contractOf(map[string]*surefootv1.MethodContract{
			"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(400))}},
		}, nil))
		defer w.close()
		w.warm()
		if got := w.herd(t, 40); got[codes.OK] != 40 {
			t.Errorf("40 calls ended %v", got)
		}
	})
}

// The client is closed while a call waits for as long as its server asked.
func TestCloseEndsACallThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "60000"))
				return nil, status.Error(codes.Aborted, "later")
			}
		}, contractOf(map[string]*surefootv1.MethodContract{
			"Get": {Method: &surefootv1.Method{DeadlineMs: new(int64(0))}},
		}, nil))
		ended := make(chan error, 1)
		go func() {
			_, err := w.stub.Get(t.Context(), getRequest)
			ended <- err
		}()
		synctest.Wait()
		w.close()
		began := time.Now()
		if err := <-ended; status.Code(err) != codes.Aborted || time.Since(began) > 0 {
			t.Errorf("%v after %v, want the server's error at once", err, time.Since(began))
		}
	})
}

// A resolver's error has a status of its own, which must not end calls that
// wait for ready.
func TestResolverErrorDoesNotEndACallThatWaitsForReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil)
		defer w.close()
		w.names.InitialState(resolver.State{})
		w.client.Connect()
		synctest.Wait()
		w.names.CC().ReportError(status.Error(codes.Unavailable, "the registry elects a leader"))
		time.AfterFunc(500*time.Millisecond, func() { w.names.UpdateState(w.state(w.servers...)) })
		if _, err := w.stub.Get(t.Context(), getRequest, grpc.WaitForReady(true)); err != nil {
			t.Error(err)
		}
	})
}
