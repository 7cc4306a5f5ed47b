package role

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// Watch sends a change at each tick of the clock, from the revision that is
// asked for on: every server knows the same changes.
func (w *worker) Watch(req *inventoryv1.WatchRequest, stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
	every := w.order.Changes
	if every == 0 {
		return w.Service.Watch(req, stream)
	}
	next := req.GetFromRevision()
	if next == 0 {
		next = protocol.Revision(protocol.Now(), every)
	}
	for ; ; next++ {
		if err := wait(stream.Context(), protocol.Until(protocol.Changed(next, every))); err != nil {
			return err
		}
		if err := stream.Send(&inventoryv1.WatchResponse{Revision: next, Server: w.order.Name}); err != nil {
			return err
		}
	}
}

// watching is what one client has seen of the changes. Its methods may be called
// from any goroutine.
type watching struct {
	began chan struct{} // closed with the first change

	mu    sync.Mutex // guards what follows
	seen  map[int64]int
	last  int64   // the latest
	early []int64 // those that came after a later one
}

func newWatching() *watching { return &watching{began: make(chan struct{}), seen: map[int64]int{}} }

// change notes a change as it comes.
func (w *watching) change(revision int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		close(w.began)
	}
	w.seen[revision]++
	if revision < w.last && w.seen[revision] == 1 {
		w.early = append(w.early, revision)
	}
	w.last = max(w.last, revision)
}

// judge says what became of the changes in the measured part of the run.
func (w *watching) judge(run protocol.Go, every time.Duration) protocol.Watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	var judged protocol.Watched
	from, until := protocol.Revision(run.From, every)+1, protocol.Revision(run.Until, every)
	for revision := from; revision <= until; revision++ {
		switch n := w.seen[revision]; {
		case n == 0 && protocol.Changed(revision, every) <= run.Until.Add(-scenario.Arrival):
			judged.Missing++
		case n > 1:
			judged.Doubled += int64(n - 1)
		}
	}
	for _, revision := range w.early {
		if revision >= from && revision <= until {
			judged.OutOfOrder++
		}
	}
	return judged
}

// reopenAfter is how long those wait who open a stream again by hand.
const reopenAfter = 100 * time.Millisecond

// watchByHand watches as people do: when the stream ends, it is opened again, and
// the changes come from then on. It returns at the end of ctx, with the last thing
// that went wrong before.
func watchByHand(ctx context.Context, stub inventoryv1.InventoryClient, change func(revision int64)) error {
	var failed error
	for ctx.Err() == nil {
		stream, err := stub.Watch(ctx, &inventoryv1.WatchRequest{Sku: sku})
		for err == nil {
			var message *inventoryv1.WatchResponse
			if message, err = stream.Recv(); err == nil {
				change(message.GetRevision())
			}
		}
		if wait(ctx, reopenAfter) != nil {
			break
		}
		failed = err
	}
	return failed
}
