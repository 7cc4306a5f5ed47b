// Package wire holds every header and trailer that Surefoot reads or writes.
package wire

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"
)

const (
	// PreviousAttempts is the header that tells a server how many attempts of
	// the call came before this one (gRFC A6).
	PreviousAttempts = "grpc-previous-rpc-attempts"
	// Pushback is the trailer with which a server says when to repeat, in
	// milliseconds, or not to: negative or not a number (gRFC A6).
	Pushback = "grpc-retry-pushback-ms"
)

// WithPreviousAttempts returns ctx with the header set to n, which is > 0.
func WithPreviousAttempts(ctx context.Context, n int) context.Context {
	return metadata.AppendToOutgoingContext(ctx, PreviousAttempts, strconv.Itoa(n))
}

// MaxPushback bounds what a peer can make a client wait: no call waits longer.
const MaxPushback = 24 * time.Hour

// ReadPushback returns the pushback in the trailer of an attempt. given is
// false if there is none. stop says that there must be no repeat: the value is
// negative, not a number, or there are several (gRFC A6).
func ReadPushback(trailer metadata.MD) (after time.Duration, stop, given bool) {
	switch v := trailer.Get(Pushback); len(v) {
	case 0:
		return 0, false, false
	case 1:
		ms, err := strconv.ParseInt(v[0], 10, 64)
		if err != nil || ms < 0 {
			return 0, true, true
		}
		return time.Duration(min(ms, MaxPushback.Milliseconds())) * time.Millisecond, false, true
	default:
		return 0, true, true
	}
}
