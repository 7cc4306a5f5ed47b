package role

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// Serve is the server program: it listens, reports ready on out, and serves
// until ctx ends, as well or badly as the lines of in say.
func Serve(ctx context.Context, order protocol.ServeOrder, in io.Reader, out io.Writer) error {
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
	w := &worker{Service: inventory.New(order.Name), work: order.Work}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		// It ends with in, which only the lab closes, or with the process.
		if err := w.obey(in); err != nil {
			cancel(fmt.Errorf("server %s: %w", order.Name, err))
		}
	}()
	if err := serve(ctx, lis, w, order.MaxAge); err != nil {
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
