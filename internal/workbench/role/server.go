package role

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// Serve is the server program: it listens, reports ready on out, and serves
// until ctx ends, as well or badly as the lines of in say. contract is what its
// own clients are given, if it calls another service and they are surefoot's.
func Serve(ctx context.Context, order protocol.ServeOrder, contract []surefoot.ClientOption, in io.Reader, out io.Writer) (err error) {
	said := func(err error) error { return fmt.Errorf("server %s: %w", order.Name, err) }
	w := newWorker(order)
	if order.Next != nil {
		next, err := dial(*order.Next, contract)
		if err != nil {
			return said(err)
		}
		defer func() { err = errors.Join(err, next.Close()) }()
		w.next = inventoryv1.NewInventoryClient(next)
	}
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", order.Listen)
	if err != nil {
		return said(err)
	}
	lis := newListener(tcp)
	w.cut = lis.cut
	// The kernel accepts from here on, so connections that come before the
	// server runs wait and do not fail.
	reports := newLines(out)
	if err := reports.send(protocol.Line{Ready: true}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		// It ends with in, which only the lab closes, or with the process.
		if err := w.obey(in, reports); err != nil {
			cancel(said(err))
		}
	}()
	if err := serve(ctx, lis, w, order); err != nil {
		return err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
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
