package role

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// worker is the example service with calls that take a while, so that there
// are calls in flight when a fault strikes, and that can be told to be slow or
// to answer badly. It may work on so many calls at a time only, and call another
// service to answer.
type worker struct {
	*inventory.Service
	order  protocol.ServeOrder
	slots  chan struct{}                   // one for each call that is worked on; nil for any number
	next   inventoryv1.InventoryClient     // the service behind; nil for none
	cut    func(context.Context)           // cuts the connection on which a call came
	now    atomic.Pointer[protocol.Behave] // nil while all is well
	number atomic.Uint64                   // of calls so far
	audit  audit
}

func newWorker(order protocol.ServeOrder) *worker {
	w := &worker{Service: inventory.New(order.Name), order: order}
	if order.Concurrency > 0 {
		w.slots = make(chan struct{}, order.Concurrency)
	}
	return w
}

// Get answers as the worker behaves now.
func (w *worker) Get(ctx context.Context, req *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	defer w.audit.handled(ctx)()
	done, err := w.do(ctx)
	if err != nil {
		return nil, err
	}
	if w.next == nil {
		reply, err := w.Service.Get(ctx, req)
		return reply, done(err)
	}
	reply, err := w.next.Get(passOn(ctx), req)
	if err != nil {
		return nil, done(err)
	}
	reply.Server = w.order.Name // who calls us asks for us
	return reply, done(nil)
}

// Reserve changes the stock as the worker behaves now.
func (w *worker) Reserve(ctx context.Context, req *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	defer w.audit.handled(ctx)()
	done, err := w.do(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := w.Service.Reserve(ctx, req)
	if err == nil {
		w.audit.applied(ctx, req.GetReservationId())
	}
	return reply, done(err)
}

// do is the work of one call. It returns how the call ends whose answer is
// ready.
func (w *worker) do(ctx context.Context) (done func(error) error, err error) {
	work, loses := w.order.Work, false
	if w.slow() {
		work = w.order.SlowWork
	}
	if b := w.now.Load(); b != nil {
		switch strikes := bad(w.number.Add(1), b.Share); {
		case strikes && b.Cut:
			loses = true
		case strikes:
			return nil, status.Errorf(codeOf(b.Code), "%s, as the scenario wants it", b.Code)
		}
		if b.Factor > 0 {
			work = time.Duration(float64(work) * b.Factor)
		}
	}
	if err := w.work(ctx, work); err != nil {
		return nil, err
	}
	return func(err error) error {
		if loses {
			w.cut(ctx)
			return status.Error(codes.Unavailable, "lost, as the scenario wants it")
		}
		return err
	}, nil
}

// slow says whether a call is one of those that take longer than others.
func (w *worker) slow() bool {
	return w.order.SlowPercent > 0 && rand.IntN(100) < w.order.SlowPercent //nolint:gosec // a share, not a secret
}

// work takes the time, in a place of its own where these are few. Work that was
// begun there is ended, as a query of a database is.
func (w *worker) work(ctx context.Context, took time.Duration) error {
	if w.slots == nil {
		return wait(ctx, took)
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	defer func() { <-w.slots }()
	return wait(context.WithoutCancel(ctx), took)
}

// bad says whether the nth call is one of share in 100, spread evenly.
func bad(n uint64, share int) bool {
	of := uint64(max(share, 0))
	return n*of/100 != (n-1)*of/100
}

// obey changes the behaviour with each line of in, until it ends, and reports on
// out when it is asked to.
func (w *worker) obey(in io.Reader, out *lines) error {
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		var b protocol.Behave
		if err := json.Unmarshal(orders.Bytes(), &b); err != nil {
			return fmt.Errorf("told how to behave in %q: %w", orders.Text(), err)
		}
		if !b.Report {
			w.now.Store(&b)
			continue
		}
		served := w.audit.report()
		if err := out.send(protocol.Line{Served: &served}); err != nil {
			return err
		}
	}
	return orders.Err()
}
