package channel_test

import (
	"context"
	"errors"
	"io"
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

var watchRequest = &inventoryv1.WatchRequest{Sku: "anvil"}

func TestStreamsAreSpreadAndHaveNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				time.Sleep(time.Hour)
				return w.Send(&inventoryv1.WatchResponse{Server: s.name})
			}
		})
		defer w.close()
		w.warm()
		seen := map[string]int{}
		for range 3 {
			stream, err := w.stub.Watch(t.Context(), watchRequest)
			if err != nil {
				t.Fatal(err)
			}
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			seen[m.GetServer()]++
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("end of stream: %v", err)
			}
		}
		if len(seen) != 3 {
			t.Errorf("streams went to %v, want one on each server", seen)
		}
		calls, _ := w.seen()
		if len(calls) != 3 || calls[0].Err != nil || calls[0].Duration < time.Hour {
			t.Errorf("calls %+v", calls)
		}
	})
}

// Once a message has come, a stream that breaks is the caller's to reopen: it
// alone knows where to go on.
func TestOpenStreamIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		w := newWorld(t, 2, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				opened++
				if err := w.Send(&inventoryv1.WatchResponse{Revision: 1}); err != nil {
					return err
				}
				time.Sleep(time.Millisecond)
				s.kill()
				<-w.Context().Done()
				return w.Context().Err()
			}
		})
		defer w.close()
		w.warm()
		finished := 0
		stream, err := w.stub.Watch(t.Context(), watchRequest, grpc.OnFinish(func(error) { finished++ }))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		var ce *surefoot.CallError
		if status.Code(err) != codes.Unavailable || !errors.As(err, &ce) || ce.Call.Attempts[0].Verdict != "lost" {
			t.Errorf("got %v, want UNAVAILABLE with its story", err)
		}
		if _, again := stream.Recv(); !errors.Is(again, err) {
			t.Errorf("a second Recv says %v", again)
		}
		if opened != 1 || finished != 1 {
			t.Errorf("opened %d times, OnFinish ran %d times, want once each", opened, finished)
		}
		if calls, _ := w.seen(); len(calls) != 1 {
			t.Errorf("%d calls seen, want 1", len(calls))
		}
	})
}

func TestStreamsErrorIsTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				w.SetTrailer(metadata.Pairs("why", "because"))
				if err := w.Send(&inventoryv1.WatchResponse{}); err != nil {
					return err
				}
				return status.Error(codes.FailedPrecondition, "compacted")
			}
		})
		defer w.close()
		var trailer metadata.MD
		stream, err := w.stub.Watch(t.Context(), watchRequest, grpc.Trailer(&trailer))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		if st := status.Convert(err); st.Code() != codes.FailedPrecondition || st.Message() != "compacted" {
			t.Errorf("got %v", err)
		}
		if got := trailer.Get("why"); len(got) != 1 {
			t.Errorf("trailer %v", trailer)
		}
	})
}

func TestStreamDeadlineOfTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				<-w.Context().Done()
				return w.Context().Err()
			}
		}, contractOf(map[string]*surefootv1.MethodContract{"Watch": {Method: &surefootv1.Method{DeadlineMs: new(int64(3000))}}}, nil))
		defer w.close()
		start := time.Now()
		stream, err := w.stub.Watch(t.Context(), watchRequest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took < 3*time.Second || took > 3100*time.Millisecond {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

// The caller's context ends a stream that nobody reads.
func TestAbandonedStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				<-w.Context().Done()
				return w.Context().Err()
			}
		})
		defer w.close()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := w.stub.Watch(ctx, watchRequest); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		calls, attempts := w.seen()
		if len(calls) != 1 || len(attempts) != 1 || attempts[0].Verdict != "abandoned" {
			t.Errorf("calls %+v", calls)
		}
	})
}

// Whoever is told the end of a stream may look at what it was to fill in, also if
// another goroutine ended it. The race detector is what fails.
func TestTheOptionsOfACancelledStreamAreFilledInBeforeItsErrorIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				<-w.Context().Done()
				return w.Context().Err()
			}
		})
		defer w.close()
		w.warm()
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			header, trailer := metadata.MD{"before": nil}, metadata.MD{"before": nil}
			stream, err := w.stub.Watch(ctx, watchRequest, grpc.Header(&header), grpc.Trailer(&trailer))
			if err != nil {
				t.Fatal(err)
			}
			go cancel()
			if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
				t.Errorf("got %v", err)
			}
			if _, is := trailer["before"]; is || len(header) != 0 {
				t.Errorf("header %v, trailer %v", header, trailer)
			}
		}
	})
}
