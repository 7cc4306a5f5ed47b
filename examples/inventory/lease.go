package inventory

import (
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// maxTTL bounds how long a lease may hold without being renewed, maxLeases how
// many there are.
const (
	maxTTL    = time.Hour
	maxLeases = 100_000
)

// KeepAlive takes and renews leases and answers each message. A lease that has
// expired is answered with a TTL of 0.
func (s *Service) KeepAlive(stream grpc.BidiStreamingServer[inventoryv1.KeepAliveRequest, inventoryv1.KeepAliveResponse]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		ttl, err := s.hold(req)
		if err != nil {
			return err
		}
		if err := stream.Send(&inventoryv1.KeepAliveResponse{LeaseId: req.GetLeaseId(), TtlMs: ttl.Milliseconds(), Server: s.name}); err != nil {
			return err
		}
	}
}

// Holds says whether the lease is taken and has not expired.
func (s *stock) Holds(leaseID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.leases[leaseID])
}

// hold takes or renews a lease and returns for how long, 0 if it has expired.
func (s *stock) hold(req *inventoryv1.KeepAliveRequest) (time.Duration, error) {
	ttl := time.Duration(req.GetTtlMs()) * time.Millisecond
	switch {
	case req.GetLeaseId() == "":
		return 0, status.Error(codes.InvalidArgument, "lease_id is empty: give each lease a name of its own")
	case req.GetTtlMs() <= 0 || req.GetTtlMs() > maxTTL.Milliseconds():
		return 0, status.Errorf(codes.InvalidArgument, "ttl_ms is %d: ask for 1 to %d", req.GetTtlMs(), maxTTL.Milliseconds())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	until, taken := s.leases[req.GetLeaseId()]
	switch {
	case taken && !now.Before(until):
		return 0, nil
	case !taken && len(s.leases) >= maxLeases:
		return 0, status.Errorf(codes.ResourceExhausted, "there are %d leases already", maxLeases)
	}
	s.leases[req.GetLeaseId()] = now.Add(ttl)
	return ttl, nil
}
