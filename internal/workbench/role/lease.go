package role

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// KeepAlive renews whatever lease it is asked to: servers know of each other's
// leases, as those of a real service do, and the client knows what it lost.
func (w *worker) KeepAlive(stream grpc.BidiStreamingServer[inventoryv1.KeepAliveRequest, inventoryv1.KeepAliveResponse]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&inventoryv1.KeepAliveResponse{LeaseId: req.GetLeaseId(), TtlMs: req.GetTtlMs(), Server: w.order.Name}); err != nil {
			return err
		}
	}
}

// renewals is how often a lease is renewed in its time to live.
const renewals = 3

// unanswered is how many renewals may wait for an answer: more than a run sends.
const unanswered = 10_000

var errUnanswered = errors.New("renewals are not answered")

// lease is what one client knows of its lease. Its methods may be called from
// any goroutine.
type lease struct {
	ttl   time.Duration
	began chan struct{} // closed when it was first held

	mu    sync.Mutex // guards what follows
	until protocol.Instant
	gaps  []protocol.Instant // when it had been expired, each time that it was held again
}

func newLease(ttl time.Duration) *lease { return &lease{ttl: ttl, began: make(chan struct{})} }

// renewed notes the answer to a renewal that was sent then. The lease holds for
// its time from then on: when the renewal came to the server the client does not
// know.
func (l *lease) renewed(sent, now protocol.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.until == 0:
		close(l.began)
	case now > l.until:
		l.gaps = append(l.gaps, l.until)
	}
	l.until = max(l.until, sent.Add(l.ttl))
}

// lost is how often it expired in the measured part of the run.
func (l *lease) lost(run protocol.Go) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost int64
	for _, at := range append(slices.Clip(l.gaps), l.until) {
		if at >= run.From && at < run.Until {
			lost++
		}
	}
	return lost
}

// holdByHand renews the lease as people do: on a stream that is opened again when
// it ends. It returns at the end of ctx, with the last thing that went wrong before.
func (l *lease) holdByHand(ctx context.Context, stub inventoryv1.InventoryClient, name string) error {
	var failed error
	for ctx.Err() == nil {
		err := l.holdOn(ctx, stub, name)
		if wait(ctx, reopenAfter) != nil {
			break
		}
		failed = err
	}
	return failed
}

// holdOn renews the lease on one stream until that ends, and returns why.
func (l *lease) holdOn(ctx context.Context, stub inventoryv1.InventoryClient, name string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var receiver sync.WaitGroup
	defer receiver.Wait()
	defer cancel(nil)
	stream, err := stub.KeepAlive(ctx)
	if err != nil {
		return err
	}
	sent := make(chan protocol.Instant, unanswered)
	receiver.Go(func() {
		for {
			if _, err := stream.Recv(); err != nil {
				cancel(err)
				return
			}
			l.renewed(<-sent, protocol.Now())
		}
	})
	for {
		select {
		case sent <- protocol.Now():
		default:
			return errUnanswered
		}
		err := stream.Send(&inventoryv1.KeepAliveRequest{LeaseId: name, TtlMs: l.ttl.Milliseconds()})
		if err != nil && !errors.Is(err, io.EOF) { // EOF is that Recv knows why
			return err
		}
		if wait(ctx, l.ttl/renewals) != nil {
			return context.Cause(ctx)
		}
	}
}
