package resume_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/resume"
)

var lease = &inventoryv1.KeepAliveRequest{LeaseId: "lease", TtlMs: 3000}

func ttlOf(r *inventoryv1.KeepAliveResponse) time.Duration {
	return time.Duration(r.GetTtlMs()) * time.Millisecond
}

// held holds the lease until ctx is done or it is lost. The answers are seen.
func (f *fleet) held(ctx context.Context, seen func(server string), opts ...resume.Option) error {
	return resume.Keepalive(ctx, f.stub.KeepAlive, lease, func(r *inventoryv1.KeepAliveResponse) time.Duration {
		if seen != nil {
			seen(r.GetServer())
		}
		return ttlOf(r)
	}, opts...)
}

func TestALeaseIsRenewedThreeTimesPerTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		defer f.close()
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second+500*time.Millisecond)
		defer cancel()
		answers := 0
		err := f.held(ctx, func(string) { answers++ })
		if !errors.Is(err, context.DeadlineExceeded) || answers != 61 || !f.store.Holds("lease") {
			t.Errorf("%v after %d answers", err, answers)
		}
	})
}

// The node that serves the lease hangs, again and again. The lease is never
// lost, and the server never saw it expire.
func TestALeaseSurvivesNodesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, nil)
		defer f.close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var at atomic.Pointer[string]
		lost := make(chan error, 1)
		go func() { lost <- f.held(ctx, func(s string) { at.Store(&s) }) }()
		time.Sleep(100 * time.Millisecond)
		for range 10 {
			n := f.node(*at.Load())
			n.hang(true)
			time.Sleep(time.Duration(5+rand.IntN(5)) * time.Second)
			if now := *at.Load(); now == n.name || !f.store.Holds("lease") {
				t.Fatalf("served by %s, of which %s hangs; held %v", now, n.name, f.store.Holds("lease"))
			}
			n.hang(false)
			time.Sleep(5 * time.Second)
		}
		cancel()
		if err := <-lost; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestALeaseSurvivesNodesThatDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, nil)
		defer f.close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		n := 0
		err := f.held(ctx, func(s string) {
			if n++; n%7 == 0 {
				f.node(s).kill()
			}
			if n%7 == 3 {
				for _, dead := range f.nodes {
					if dead.conns == nil {
						dead.start()
					}
				}
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) || n < 290 || !f.store.Holds("lease") {
			t.Errorf("%v after %d answers", err, n)
		}
	})
}

// The client knows that its lease is lost no later than the server.
func TestALeaseThatNobodyRenewsIsLostInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		defer f.close()
		var last time.Time
		err := f.held(t.Context(), func(string) {
			last = time.Now()
			for _, n := range f.nodes {
				n.hang(true)
			}
		})
		var lost *resume.LostError
		if !errors.As(err, &lost) || lost.Err == nil || !lost.Expired.Equal(last.Add(3*time.Second)) {
			t.Fatalf("%v, want that it is lost 3 s after %v", err, last)
		}
		if late := time.Since(lost.Expired); late < 0 || late > 10*time.Millisecond {
			t.Errorf("told %v late", late)
		}
	})
}

// late answers after a while.
type late struct {
	inventoryv1.InventoryServer
}

func (l late) KeepAlive(s inventoryv1.Inventory_KeepAliveServer) error {
	return l.InventoryServer.KeepAlive(&lagging{s})
}

type lagging struct {
	grpc.BidiStreamingServer[inventoryv1.KeepAliveRequest, inventoryv1.KeepAliveResponse]
}

func (l *lagging) Send(m *inventoryv1.KeepAliveResponse) error {
	time.Sleep(400 * time.Millisecond)
	return l.BidiStreamingServer.Send(m)
}

// A lease holds from when its renewal was sent: the server may have counted
// since then.
func TestALeaseHoldsFromWhenItsRenewalWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, func(s inventoryv1.InventoryServer) inventoryv1.InventoryServer { return late{s} })
		defer f.close()
		start := time.Now()
		err := f.held(t.Context(), func(string) { f.nodes[0].kill() })
		var lost *resume.LostError
		if !errors.As(err, &lost) || !lost.Expired.Equal(start.Add(3*time.Second)) || time.Since(start) > 3010*time.Millisecond {
			t.Errorf("%v after %v, want that it is lost after 3 s", err, time.Since(start))
		}
	})
}

// An answer that is overdue is reason to find out whether its server lives, for
// the sake of all that waits there.
func TestAnOverdueAnswerHasItsConnectionProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, nil)
		defer f.close()
		watch, err := f.stub.Watch(t.Context(), &inventoryv1.WatchRequest{Sku: "bolt"})
		if err != nil {
			t.Fatal(err)
		}
		m, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan time.Time, 1)
		go func() {
			_, _ = watch.Recv()
			ended <- time.Now()
		}()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var hung atomic.Pointer[time.Time]
		go func() {
			_ = f.held(ctx, func(server string) {
				switch {
				case hung.Load() != nil:
				case server != m.GetServer(): // another one, please
					n := f.node(server)
					n.kill()
					n.start()
				default:
					now := time.Now()
					hung.Store(&now)
					f.node(server).hang(true)
				}
			})
		}()
		// 1 s until the next renewal, half of that until it is overdue, and a probe:
		// well before the watch itself is silent for its 5 s.
		if at := <-ended; hung.Load() == nil || at.Sub(*hung.Load()) > 3*time.Second {
			t.Errorf("the watch ended at %v, its node hung at %v", at, hung.Load())
		}
	})
}

func TestALeaseThatTheServerCallsExpiredIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		defer f.close()
		stop, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := f.held(stop, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		err := f.held(t.Context(), nil)
		var lost *resume.LostError
		if !errors.As(err, &lost) || lost.Err != nil {
			t.Errorf("%v, want that it is lost", err)
		}
	})
}

func TestALeaseThatIsRefusedIsTheServersError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		defer f.close()
		err := resume.Keepalive(t.Context(), f.stub.KeepAlive, &inventoryv1.KeepAliveRequest{}, ttlOf)
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v", err)
		}
	})
}

// A lease that was taken before has its time from the beginning; without one,
// the first answer is awaited for as long as it takes.
func TestALeaseBeforeItsFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		defer f.close()
		for _, n := range f.nodes {
			n.hang(true)
		}
		start := time.Now()
		var lost *resume.LostError
		if err := f.held(t.Context(), nil, resume.TTL(2*time.Second)); !errors.As(err, &lost) || time.Since(start) > 2010*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.AfterFunc(30*time.Second, func() {
			for _, n := range f.nodes {
				n.hang(false)
			}
		})
		answers := 0
		if err := f.held(ctx, func(string) { answers++ }); !errors.Is(err, context.DeadlineExceeded) || answers < 20 {
			t.Errorf("%v after %d answers", err, answers)
		}
	})
}

// polite ends each stream after a few answers, with OK.
type polite struct {
	inventoryv1.InventoryServer
}

func (p polite) KeepAlive(s inventoryv1.Inventory_KeepAliveServer) error {
	return p.InventoryServer.KeepAlive(&few{BidiStreamingServer: s, left: 3})
}

type few struct {
	grpc.BidiStreamingServer[inventoryv1.KeepAliveRequest, inventoryv1.KeepAliveResponse]
	left int
}

func (f *few) Recv() (*inventoryv1.KeepAliveRequest, error) {
	if f.left--; f.left < 0 {
		return nil, io.EOF
	}
	return f.BidiStreamingServer.Recv()
}

func TestAStreamThatTheServerEndsIsNoReasonToLoseTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, func(s inventoryv1.InventoryServer) inventoryv1.InventoryServer { return polite{s} })
		defer f.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		reopened := 0
		err := f.held(ctx, nil, resume.OnReopen(func(r resume.Reopening) {
			if reopened++; !errors.Is(r.Err, io.EOF) {
				t.Errorf("opened again after %v", r.Err)
			}
		}))
		if !errors.Is(err, context.DeadlineExceeded) || reopened < 15 || !f.store.Holds("lease") {
			t.Errorf("%v, opened again %d times", err, reopened)
		}
	})
}
