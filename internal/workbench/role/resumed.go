package role

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/resume"
)

// watchResumed watches as callers of surefoot do. Should that end, it begins anew,
// with the changes from then on.
func watchResumed(ctx context.Context, stub inventoryv1.InventoryClient, change func(revision int64)) error {
	var failed error
	for ctx.Err() == nil {
		for m, err := range resume.Messages(ctx, stub.Watch, &inventoryv1.WatchRequest{Sku: sku}) {
			if err != nil {
				failed = err
				break
			}
			change(m.GetRevision())
		}
		if wait(ctx, reopenAfter) != nil {
			break
		}
	}
	return failed
}

// keepAlive is the stream of a lease, as stubs return it.
type keepAlive = grpc.BidiStreamingClient[inventoryv1.KeepAliveRequest, inventoryv1.KeepAliveResponse]

// timed notes when each renewal is sent.
type timed struct {
	keepAlive
	sent *protocol.Instant
}

// Send sends the renewal.
func (t timed) Send(m *inventoryv1.KeepAliveRequest) error {
	*t.sent = protocol.Now()
	return t.keepAlive.Send(m)
}

// holdResumed holds the lease as callers of surefoot do, and takes it again when
// it was lost.
func (l *lease) holdResumed(ctx context.Context, stub inventoryv1.InventoryClient, name string) error {
	var sent protocol.Instant // Keepalive sends and receives on one goroutine
	open := func(ctx context.Context, opts ...grpc.CallOption) (timed, error) {
		stream, err := stub.KeepAlive(ctx, opts...)
		return timed{stream, &sent}, err
	}
	answered := func(m *inventoryv1.KeepAliveResponse) time.Duration {
		l.renewed(sent, protocol.Now())
		return time.Duration(m.GetTtlMs()) * time.Millisecond
	}
	renewal := &inventoryv1.KeepAliveRequest{LeaseId: name, TtlMs: l.ttl.Milliseconds()}
	var failed error
	for ctx.Err() == nil {
		if err := resume.Keepalive(ctx, open, renewal, answered); ctx.Err() == nil {
			failed = err
		}
		if wait(ctx, reopenAfter) != nil {
			break
		}
	}
	return failed
}
