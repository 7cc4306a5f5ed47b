package role

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// Serve is the server program: it listens, reports ready on out and serves
// until ctx ends.
func Serve(ctx context.Context, order protocol.ServeOrder, out io.Writer) error {
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", order.Listen)
	if err != nil {
		return fmt.Errorf("server %s: %w", order.Name, err)
	}
	// The kernel accepts from here on, so connections that come before the
	// server runs wait and do not fail.
	if err := newLines(out).send(protocol.Line{Ready: true}); err != nil {
		return err
	}
	return serve(ctx, lis, &worker{Service: inventory.New(order.Name), work: order.Work})
}

// worker is the example service with calls that take a while, so that there
// are calls in flight when a fault strikes.
type worker struct {
	*inventory.Service
	work time.Duration
}

// Get answers after the time of work.
func (w *worker) Get(ctx context.Context, req *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	if err := wait(ctx, w.work); err != nil {
		return nil, err
	}
	return w.Service.Get(ctx, req)
}

// wait returns after d, or with the context's error when that ends first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
