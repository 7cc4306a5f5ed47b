package channel

import (
	"context"

	"google.golang.org/grpc/stats"
)

// facts learns of attempts that another balancer than ours picks for what ours
// gets from balancer.DoneInfo: whether a stream was made, whether the peer
// answered, and its trailer. It is for xDS targets alone, because a stats
// handler costs every call more than all the rest of Surefoot.
type facts struct{}

// TagRPC is called once for each stream, grpc-go's own repeats included.
func (facts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC is called as an attempt proceeds.
func (facts) HandleRPC(ctx context.Context, s stats.RPCStats) {
	a, _ := ctx.Value(attemptKey{}).(*attemptState)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s := s.(type) {
	case *stats.Begin:
		// It will be told all that follows. Here nobody can hold back one that has
		// lost its key, which our picker does: it stays unknown, and is not repeated.
		a.picks = !a.call.keyed || a.call.sendsKey(ctx) == nil
	case *stats.OutHeader:
		a.sent = true
	case *stats.InHeader:
		a.fromPeer = true
	case *stats.InTrailer:
		a.fromPeer, a.trailer = true, s.Trailer
	}
}

// TagConn returns ctx.
func (facts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (facts) HandleConn(context.Context, stats.ConnStats) {}
