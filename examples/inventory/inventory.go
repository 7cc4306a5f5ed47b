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
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// Service is one server of the inventory. Its methods may be called from any
// number of goroutines.
type Service struct {
	inventoryv1.UnimplementedInventoryServer

	name string
	*stock
}

// stock is what the servers of an inventory share.
type stock struct {
	mu      sync.Mutex // guards what follows; nothing blocks under it
	items   map[string]*item
	applied map[string]int // by reservation id
	leases  map[string]time.Time
}

// New makes a service that answers under the given server name and starts with
// 1,000,000 each of "bolt", "nut" and "washer".
func New(name string) *Service {
	s := &stock{items: map[string]*item{}, applied: map[string]int{}, leases: map[string]time.Time{}}
	for _, sku := range []string{"bolt", "nut", "washer"} {
		s.items[sku] = newItem(1_000_000)
	}
	return &Service{name: name, stock: s}
}

// Replica makes another server of the same inventory: what one changes, all
// know.
func (s *Service) Replica(name string) *Service { return &Service{name: name, stock: s.stock} }

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
	return &inventoryv1.GetResponse{Sku: req.GetSku(), InStock: it.last().stock, Server: s.name}, nil
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
	left := it.last().stock - req.GetCount()
	if left < 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "only %d of %q left, %d asked for", it.last().stock, req.GetSku(), req.GetCount())
	}
	s.applied[req.GetReservationId()]++
	it.change(left)
	return &inventoryv1.ReserveResponse{Left: left, Server: s.name}, nil
}

// find looks an item up; the caller holds s.mu.
func (s *stock) find(sku string) (*item, error) {
	it, ok := s.items[sku]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no item %q: this inventory holds bolt, nut and washer", sku)
	}
	return it, nil
}
