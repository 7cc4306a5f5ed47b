package role

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/metadata"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// audit counts what a server does for the calls that count. Its methods may be
// called from any goroutine.
type audit struct {
	mu     sync.Mutex // guards served
	served protocol.Served
}

// handled notes an attempt that came to a handler, and returns the function to
// call when the handler has ended. Its work is wasted from when the caller of the
// first service gives up, or whoever called this one.
func (a *audit) handled(ctx context.Context) func() {
	deadline, counts := caller(ctx)
	if !counts {
		return func() {}
	}
	begun := protocol.Now()
	var left atomic.Int64 // when whoever called us did; 0 while it waits
	stop := context.AfterFunc(ctx, func() { left.Store(int64(protocol.Now())) })
	a.mu.Lock()
	defer a.mu.Unlock()
	a.served.Handled++
	return func() {
		stop()
		if at := protocol.Instant(left.Load()); at != 0 {
			deadline = min(deadline, at)
		}
		late := protocol.Now().Sub(max(begun, deadline))
		a.mu.Lock()
		defer a.mu.Unlock()
		a.served.Wasted += max(late, 0)
	}
}

// applied notes that a write was applied.
func (a *audit) applied(ctx context.Context, name string) {
	if _, counts := caller(ctx); !counts {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.served.Applied == nil {
		a.served.Applied = map[string]int{}
	}
	a.served.Applied[name]++
}

// report is what was counted so far.
func (a *audit) report() protocol.Served {
	a.mu.Lock()
	defer a.mu.Unlock()
	served := a.served
	served.Applied = maps.Clone(served.Applied)
	return served
}

// caller is when the caller of the first service gives up, and whether the call
// counts.
func caller(ctx context.Context) (protocol.Instant, bool) {
	values := metadata.ValueFromIncomingContext(ctx, protocol.CallerHeader)
	if len(values) == 0 {
		return 0, false
	}
	ns, err := strconv.ParseInt(values[0], 10, 64)
	return protocol.Instant(ns), err == nil
}

// passOn makes a call that is made to answer another one count like that one.
func passOn(ctx context.Context) context.Context {
	if values := metadata.ValueFromIncomingContext(ctx, protocol.CallerHeader); len(values) > 0 {
		return metadata.AppendToOutgoingContext(ctx, protocol.CallerHeader, values[0])
	}
	return ctx
}
