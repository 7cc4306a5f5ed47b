package inventory

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// history is how many changes of an item are known. A watcher that is further
// behind is told so: one slow reader must not make the server's memory grow.
const history = 1024

// An item is one item's stock with its last changes. The stock's mu guards it.
type item struct {
	changes []change // without gaps; never empty
	changed chan struct{}
}

type change struct {
	revision int64
	stock    int64
}

func newItem(stock int64) *item {
	return &item{changes: []change{{revision: 1, stock: stock}}, changed: make(chan struct{})}
}

func (it *item) last() change { return it.changes[len(it.changes)-1] }

// change makes stock the item's, and wakes all watchers.
func (it *item) change(stock int64) {
	it.changes = append(it.changes, change{it.last().revision + 1, stock})
	if len(it.changes) > 2*history { // copied once in a while, not each time
		it.changes = append([]change(nil), it.changes[len(it.changes)-history:]...)
	}
	close(it.changed)
	it.changed = make(chan struct{})
}

// since returns the changes from revision on, false if they are not known any
// more.
func (it *item) since(revision int64) ([]change, bool) {
	oldest := max(it.changes[0].revision, it.last().revision-history+1)
	if revision < oldest {
		return nil, false
	}
	if revision > it.last().revision {
		return nil, true
	}
	return append([]change(nil), it.changes[revision-it.changes[0].revision:]...), true
}

// Watch sends the changes from a revision on, or the current stock and every
// change after it, until the caller leaves. A reader that falls more than 1024
// changes behind is told RESOURCE_EXHAUSTED, one that begins there OUT_OF_RANGE.
func (s *Service) Watch(req *inventoryv1.WatchRequest, stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
	next, err := s.first(req)
	if err != nil {
		return err
	}
	for {
		changes, changed, known := s.since(req.GetSku(), next)
		if !known {
			return status.Errorf(codes.ResourceExhausted, "the watcher fell more than %d changes behind: watch again to get the current stock", history)
		}
		for _, c := range changes {
			if err := stream.Send(&inventoryv1.WatchResponse{Revision: c.revision, InStock: c.stock, Server: s.name}); err != nil {
				return err
			}
			next = c.revision + 1
		}
		if len(changes) > 0 {
			continue
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-changed:
		}
	}
}

// first returns the revision that a watch begins with.
func (s *Service) first(req *inventoryv1.WatchRequest) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(req.GetSku())
	if err != nil {
		return 0, err
	}
	from := req.GetFromRevision()
	if from == 0 {
		return it.last().revision, nil
	}
	if _, known := it.since(from); !known {
		return 0, status.Errorf(codes.OutOfRange, "from_revision is %d, which is no longer known: watch from 0 to get the current stock", from)
	}
	return from, nil
}

// since returns the changes of an item from revision on, what is closed when
// there are more, and whether the changes are still known.
func (s *stock) since(sku string, revision int64) (changes []change, changed <-chan struct{}, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.items[sku] // which first has found
	changes, known = it.since(revision)
	return changes, it.changed, known
}
