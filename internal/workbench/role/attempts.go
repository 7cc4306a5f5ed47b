package role

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// plannedKey marks the context of a call with the instant for which it was planned.
type plannedKey struct{}

// attempts counts the streams that a channel begins: retries by anyone and
// grpc's own transparent ones belong to the call they repeat; streams without a
// call, such as probes, count when they begin. Safe for concurrent use.
type attempts struct {
	recorder *atomic.Pointer[protocol.Recorder] // holds nil until the run is known
}

// HandleRPC counts the beginning of each stream.
func (a attempts) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, begins := event.(*stats.Begin); !begins {
		return
	}
	planned, ofCall := ctx.Value(plannedKey{}).(protocol.Instant)
	if !ofCall {
		planned = protocol.Now()
	}
	if recorder := a.recorder.Load(); recorder != nil {
		recorder.Attempt(planned)
	}
}

// TagRPC leaves the context as it is.
func (a attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn leaves the context as it is.
func (a attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn ignores connections.
func (a attempts) HandleConn(context.Context, stats.ConnStats) {}
