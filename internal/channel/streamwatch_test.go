package channel_test

import (
	"context"
	"errors"
	"slices"
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
)

// ticking sends a message now, and then one each time that every has passed; 0
// is never.
func ticking(every time.Duration) func(*server) {
	return func(s *server) {
		s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
			for revision := int64(1); ; revision++ {
				if err := w.Send(&inventoryv1.WatchResponse{Revision: revision, Server: s.name}); err != nil {
					return err
				}
				if every == 0 {
					<-w.Context().Done()
					return w.Context().Err()
				}
				select {
				case <-w.Context().Done():
					return w.Context().Err()
				case <-time.After(every):
				}
			}
		}
	}
}

// watch opens a stream and reads its first message.
func (w *world) watch(ctx context.Context) (inventoryv1.Inventory_WatchClient, *inventoryv1.WatchResponse) {
	w.t.Helper()
	stream, err := w.stub.Watch(ctx, watchRequest)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil {
		w.t.Fatal(err)
	}
	return stream, m
}

// byName returns the server of this name.
func (w *world) byName(name string) *server {
	for _, s := range w.servers {
		if s.name == name {
			return s
		}
	}
	w.t.Fatalf("no server %q", name)
	return nil
}

// condemned returns how many connections were.
func (w *world) condemned() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		if c.To == "condemned" {
			n++
		}
	}
	return n
}

// Silence is no reason to end a stream, but to find out whether its peer lives.
// The example's is 5 s.
func TestStreamOnAHungNodeIsLostSoonAfterItsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, ticking(3*time.Second))
		defer w.close()
		w.warm()
		stream, m := w.watch(t.Context())
		for range 5 {
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		w.byName(m.GetServer()).hang()
		start := time.Now()
		var err error
		for err == nil {
			_, err = stream.Recv()
		}
		if took := time.Since(start); status.Code(err) != codes.Unavailable || took < 5*time.Second || took > 6500*time.Millisecond {
			t.Errorf("%v after %v, want UNAVAILABLE after 5 s and a probe", err, took)
		}
		if n := w.condemned(); n != 1 {
			t.Errorf("%d connections condemned, want 1", n)
		}
	})
}

func TestStreamOfALivingNodeMayBeSilentForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, ticking(0))
		defer w.close()
		w.warm()
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		stream, _ := w.watch(ctx)
		if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded || ctx.Err() == nil {
			t.Errorf("%v, want the caller's deadline", err)
		}
		if n := w.condemned(); n != 0 {
			t.Errorf("%d connections condemned", n)
		}
	})
}

// What has arrived waits for its reader; nobody else is silent.
func TestSlowReaderIsNoSilence(t *testing.T) {
	all := watching(&surefootv1.Method{Stream: &surefootv1.Stream{
		FirstMessageTimeoutMs: new(int64(1000)), SilenceMs: new(int64(5000)), SilenceBreaks: new(true), SendTimeoutMs: new(int64(1000)),
	}})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, ticking(2*time.Second), all)
		defer w.close()
		w.warm()
		stream, err := w.stub.Watch(t.Context(), watchRequest)
		if err != nil {
			t.Fatal(err)
		}
		for want := int64(1); want <= 20; want++ {
			time.Sleep(time.Minute) // virtual: far beyond every limit
			m, err := stream.Recv()
			if err != nil || m.GetRevision() != want {
				t.Fatalf("revision %d, %v, want %d", m.GetRevision(), err, want)
			}
		}
	})
}

func TestSilenceThatBreaksAStream(t *testing.T) {
	breaks := watching(&surefootv1.Method{Stream: &surefootv1.Stream{SilenceMs: new(int64(5000)), SilenceBreaks: new(true)}})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, ticking(0), breaks)
		defer w.close()
		w.warm()
		stream, _ := w.watch(t.Context())
		start := time.Now()
		_, err := stream.Recv()
		var ce *surefoot.CallError
		if status.Code(err) != codes.Unavailable || time.Since(start) != 5*time.Second || !errors.As(err, &ce) || ce.Call.Attempts[0].Verdict != "timeout" {
			t.Errorf("%v after %v, want UNAVAILABLE after 5 s, a timeout", err, time.Since(start))
		}
	})
}

func TestStreamEndsAtItsMaximumAge(t *testing.T) {
	aging := watching(&surefootv1.Method{Stream: &surefootv1.Stream{MaxAgeMs: new(int64(60_000))}})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, ticking(time.Second), aging)
		defer w.close()
		w.warm()
		start := time.Now()
		stream, m := w.watch(t.Context())
		var err error
		for err == nil {
			_, err = stream.Recv()
		}
		age := time.Since(start)
		var ce *surefoot.CallError
		if status.Code(err) != codes.Unavailable || age < 54*time.Second || age > time.Minute || !errors.As(err, &ce) || ce.Call.Attempts[0].Verdict != "aged" {
			t.Errorf("%v after %v, want UNAVAILABLE after 54 to 60 s, aged", err, age)
		}
		// Its endpoint has done nothing wrong.
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.changes {
			if c.Endpoint == m.GetServer() && (c.To == "ejected" || c.To == "suspect") {
				t.Errorf("%+v", c)
			}
		}
	})
}

// What ends a stream is known to whoever reads it, though grpc-go may come to say
// so after it has returned from the read: it is slow here to say so.
func TestTheEndOfAStreamIsKnownToItsReader(t *testing.T) {
	aging := watching(&surefootv1.Method{Stream: &surefootv1.Stream{MaxAgeMs: new(int64(60_000))}})
	slow := surefoot.WithAttemptInterceptor(nil, func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return streamer(ctx, desc, cc, method, slices.Concat([]grpc.CallOption{grpc.OnFinish(func(error) { time.Sleep(time.Second) })}, opts)...)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, ticking(time.Second), aging, slow)
		defer w.close()
		w.warm()
		for range 50 {
			stream, _ := w.watch(t.Context())
			var err error
			for err == nil {
				_, err = stream.Recv()
			}
			if verdictOf(err) != "aged" {
				t.Fatalf("%v, want the story of a stream that is aged", err)
			}
		}
	})
}

// The server reads one message and then none.
func TestSendThatIsBlockedEndsItsStream(t *testing.T) {
	blocked := contractOf(map[string]*surefootv1.MethodContract{"KeepAlive": {Method: &surefootv1.Method{
		Stream: &surefootv1.Stream{SendTimeoutMs: new(int64(2000))},
	}}}, nil)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.keep = func(k inventoryv1.Inventory_KeepAliveServer) error {
				_, _ = k.Recv()
				<-k.Context().Done()
				return k.Context().Err()
			}
		}, blocked)
		defer w.close()
		w.warm()
		stream, err := w.stub.KeepAlive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		big := &inventoryv1.KeepAliveRequest{LeaseId: string(make([]byte, 1<<20))}
		start := time.Now()
		for range 100 {
			if err = stream.Send(big); err != nil {
				break
			}
		}
		took := time.Since(start)
		_, err = stream.Recv()
		if status.Code(err) != codes.DeadlineExceeded || took != 2*time.Second {
			t.Errorf("%v after %v, want DEADLINE_EXCEEDED after 2 s", err, took)
		}
	})
}

func TestFirstMessageTimeoutBoundsTheLastAttemptToo(t *testing.T) {
	first := watching(&surefootv1.Method{Stream: &surefootv1.Stream{FirstMessageTimeoutMs: new(int64(400))}})
	synctest.Test(t, func(t *testing.T) {
		setup, opened := failing(1000, mute)
		w := newWorld(t, 5, setup, first)
		defer w.close()
		w.warm()
		stream, err := w.stub.Watch(t.Context(), watchRequest)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = stream.Recv()
		if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || opened.Load() != 3 || took < 1200*time.Millisecond || took > 3200*time.Millisecond {
			t.Errorf("opened %d times, %v after %v", opened.Load(), err, took)
		}
	})
}

// A stream with limits that nobody reads ends with its context, and so do its
// timers and goroutines.
func TestAbandonedStreamWithLimitsEndsWithItsContext(t *testing.T) {
	limits := watching(&surefootv1.Method{Stream: &surefootv1.Stream{
		FirstMessageTimeoutMs: new(int64(1000)), MaxAgeMs: new(int64(1 << 40 >> 10)), SendTimeoutMs: new(int64(1000)),
	}})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, ticking(time.Millisecond), limits)
		defer w.close()
		w.warm()
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			if _, err := w.stub.Watch(ctx, watchRequest); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		if calls, _ := w.seen(); len(calls) != 0 {
			t.Errorf("%d streams ended that nobody reads", len(calls))
		}
		cancel()
		synctest.Wait()
		if calls, _ := w.seen(); len(calls) != 10 {
			t.Errorf("%d calls ended, want 10", len(calls))
		}
	})
}

// Streams that are created at the servers are the attempts that were paid for,
// and grpc-go's own repeats, which show as more picks of an attempt.
func TestStreamsCreatedArePaidForOrTransparent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var created atomic.Int64
		first := surefootv1.Stream{FirstMessageTimeoutMs: new(int64(300))}
		w := newWorld(t, 4, func(s *server) {
			s.options = []grpc.ServerOption{grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
				created.Add(1)
				return handler(srv, ss)
			})}
			var n atomic.Int64
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				switch n.Add(1) % 5 {
				case 0:
					return mute(s, w)
				case 1:
					return status.Error(codes.Unavailable, "no")
				case 2:
					return status.Error(codes.NotFound, "no")
				default:
					return w.Send(&inventoryv1.WatchResponse{Revision: 1})
				}
			}
		}, watching(&surefootv1.Method{Stream: &first}))
		defer w.close()
		w.warm()
		for range 200 {
			stream, err := w.stub.Watch(t.Context(), watchRequest)
			for err == nil {
				_, err = stream.Recv()
			}
		}
		synctest.Wait()
		calls, attempts := w.seen()
		repeats := int64(len(attempts) - len(calls))
		if len(calls) != 200 || created.Load() != int64(len(attempts)) || repeats == 0 {
			t.Errorf("%d calls, %d attempts, %d streams created", len(calls), len(attempts), created.Load())
		}
		t.Logf("%d calls, %d attempts, %d streams created", len(calls), len(attempts), created.Load())
		if allowed := int64(200*20/100 + 10); repeats > allowed {
			t.Errorf("%d repeats of 200 calls, the budget has %d", repeats, allowed)
		}
	})
}
