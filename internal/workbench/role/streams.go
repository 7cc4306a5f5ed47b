package role

import (
	"context"
	"fmt"
	"sync"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// streams is what the clients of a load program do beside their calls.
type streams struct {
	order   protocol.LoadOrder
	stop    context.CancelFunc
	running sync.WaitGroup
	watches []*watching
	leases  []*lease
}

// startStreams lets each client watch and hold a lease, where the order says so,
// until close or judge.
func startStreams(ctx context.Context, order protocol.LoadOrder, clients []client) *streams {
	ctx, stop := context.WithCancel(ctx)
	s := &streams{order: order, stop: stop}
	for _, c := range clients {
		if order.Watch > 0 {
			w := newWatching()
			s.watches = append(s.watches, w)
			s.running.Go(func() { watchByHand(ctx, c.stub, w.change) })
		}
		if order.Lease > 0 {
			l := newLease(order.Lease)
			s.leases = append(s.leases, l)
			s.running.Go(func() { l.holdByHand(ctx, c.stub, fmt.Sprintf("lease-%d", c.index)) })
		}
	}
	return s
}

// settle waits until all have begun.
func (s *streams) settle(ctx context.Context) error {
	var began []<-chan struct{}
	for _, w := range s.watches {
		began = append(began, w.began)
	}
	for _, l := range s.leases {
		began = append(began, l.began)
	}
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for i, one := range began {
		select {
		case <-one:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d streams of arm %s brought nothing within %v: %w", len(began)-i, len(began), s.order.Arm, settleLimit, ctx.Err())
		}
	}
	return nil
}

// close ends all streams. It may be called twice.
func (s *streams) close() {
	s.stop()
	s.running.Wait()
}

// judge ends all streams and adds what came of them to the tally.
func (s *streams) judge(run protocol.Go, t *protocol.Tally) {
	s.close()
	for _, w := range s.watches {
		t.Watched.Add(w.judge(run, s.order.Watch))
	}
	for _, l := range s.leases {
		t.Lost += l.lost(run)
	}
}
