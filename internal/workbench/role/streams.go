package role

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// streams is what the clients of a load program do beside their calls.
type streams struct {
	order   protocol.LoadOrder
	stop    context.CancelFunc
	running sync.WaitGroup
	watches []*watching
	leases  []*lease

	mu     sync.Mutex // guards failed
	failed error      // the last thing that went wrong
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
			watch := watchByHand
			if order.Client == string(scenario.Surefoot) {
				watch = watchResumed
			}
			s.running.Go(func() { s.ended(watch(wanted(ctx), c.stub, w.change)) })
		}
		if order.Lease > 0 {
			l := newLease(order.Lease)
			s.leases = append(s.leases, l)
			hold := l.holdByHand
			if order.Client == string(scenario.Surefoot) {
				hold = l.holdResumed
			}
			s.running.Go(func() { s.ended(hold(wanted(ctx), c.stub, fmt.Sprintf("lease-%d", c.index))) })
		}
	}
	return s
}

// wanted says that the first stream that is begun with ctx is one that the caller
// wants: what comes after it is added.
func wanted(ctx context.Context) context.Context {
	return context.WithValue(ctx, makingKey{}, &making{})
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
			s.close()
			return fmt.Errorf("%d of %d streams of arm %s brought nothing within %v: %w", len(began)-i, len(began), s.order.Arm, settleLimit, errors.Join(ctx.Err(), s.failed))
		}
	}
	return nil
}

// ended notes the last thing that went wrong with a stream.
func (s *streams) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = err
	}
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
