// Package inventory is an in-memory implementation of the example service
// inventory.v1.Inventory, whose contract is in inventory.proto.
//
// It is deliberately naive in one point: a reservation that arrives twice is
// applied twice, because Reserve promises nothing about repeats. It keeps count,
// so that a test can ask how often each reservation was applied.
package inventory

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// watchBuffer is how many changes a watcher may be behind before its stream is
// ended: one slow reader must not make the server's memory grow.
const watchBuffer = 64

// Service holds the stock of one server. Its methods may be called from any
// number of goroutines.
type Service struct {
	inventoryv1.UnimplementedInventoryServer

	name string

	mu      sync.Mutex // guards what follows; nothing blocks under it
	items   map[string]*item
	applied map[string]int // by reservation id
}

type item struct {
	stock    int64
	revision int64
	watchers map[chan change]struct{}
}

type change struct {
	revision int64
	stock    int64
}

// New makes a service that answers under the given server name and starts with
// 1,000,000 each of "bolt", "nut" and "washer".
func New(name string) *Service {
	s := &Service{name: name, items: map[string]*item{}, applied: map[string]int{}}
	for _, sku := range []string{"bolt", "nut", "washer"} {
		s.items[sku] = &item{stock: 1_000_000, revision: 1, watchers: map[chan change]struct{}{}}
	}
	return s
}

// Applied says how often the reservation with this id has been applied.
func (s *Service) Applied(reservationID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied[reservationID]
}

// Get reads the stock of one item; an unknown item is NOT_FOUND.
func (s *Service) Get(_ context.Context, req *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(req.GetSku())
	if err != nil {
		return nil, err
	}
	return &inventoryv1.GetResponse{Sku: req.GetSku(), InStock: it.stock, Server: s.name}, nil
}

// Reserve takes count pieces out of the stock. More than there are is
// FAILED_PRECONDITION and changes nothing.
func (s *Service) Reserve(_ context.Context, req *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	if req.GetCount() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "count is %d: reserve at least 1", req.GetCount())
	}
	if req.GetReservationId() == "" {
		return nil, status.Error(codes.InvalidArgument, "reservation_id is empty: give each reservation a name of its own")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(req.GetSku())
	if err != nil {
		return nil, err
	}
	if it.stock < req.GetCount() {
		return nil, status.Errorf(codes.FailedPrecondition, "only %d of %q left, %d asked for", it.stock, req.GetSku(), req.GetCount())
	}
	it.stock -= req.GetCount()
	it.revision++
	s.applied[req.GetReservationId()]++
	it.publish()
	return &inventoryv1.ReserveResponse{Left: it.stock, Server: s.name}, nil
}

// Watch sends the current stock and then every change, until the caller leaves.
// A reader more than 64 changes behind is told RESOURCE_EXHAUSTED.
func (s *Service) Watch(req *inventoryv1.WatchRequest, stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
	changes, stop, err := s.subscribe(req.GetSku())
	if err != nil {
		return err
	}
	defer stop()
	for {
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case c, open := <-changes:
			if !open {
				return status.Errorf(codes.ResourceExhausted, "the watcher fell more than %d changes behind: watch again to get the current stock", watchBuffer)
			}
			if err := stream.Send(&inventoryv1.WatchResponse{Revision: c.revision, InStock: c.stock, Server: s.name}); err != nil {
				return err
			}
		}
	}
}

// subscribe opens a channel that holds the current stock and gets every change;
// it is closed when its reader falls behind.
func (s *Service) subscribe(sku string) (<-chan change, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(sku)
	if err != nil {
		return nil, nil, err
	}
	changes := make(chan change, watchBuffer+1)
	changes <- change{it.revision, it.stock}
	it.watchers[changes] = struct{}{}
	return changes, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(it.watchers, changes)
	}, nil
}

// publish tells all watchers; the caller holds Service.mu.
func (it *item) publish() {
	for changes := range it.watchers {
		select {
		case changes <- change{it.revision, it.stock}:
		default:
			delete(it.watchers, changes)
			close(changes)
		}
	}
}

// find looks an item up; the caller holds s.mu.
func (s *Service) find(sku string) (*item, error) {
	it, ok := s.items[sku]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no item %q: this inventory holds bolt, nut and washer", sku)
	}
	return it, nil
}
