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
	// Repeated is the header that tells a server that the attempt is made on
	// behalf of a call that is itself a repeat, or made on behalf of one. It says
	// of the calls above what PreviousAttempts says of this one. Its presence is
	// all that counts.
	Repeated = "surefoot-repeated"
	// Pushback is the trailer with which a server says when to repeat, in
	// milliseconds, or not to: negative or not a number (gRFC A6).
	Pushback = "grpc-retry-pushback-ms"
	// Relayed is the trailer with which a server of Surefoot says that it does not
	// ask for itself: the Pushback beside it stands for a call that it has made, to a
	// service which has failed, or is not asked any more. Its presence is all that
	// counts.
	Relayed = "surefoot-relayed"
	// NotExecuted is the trailer with which a server of Surefoot says that it
	// refused a call before anything of it was executed. Its value is the full
	// name of the method, so that one that was copied from the answer of another
	// server says nothing; nor does it if there are several.
	NotExecuted = "surefoot-not-executed"
)

// WithPreviousAttempts returns ctx with the header set to n, which is > 0.
func WithPreviousAttempts(ctx context.Context, n int) context.Context {
	return metadata.AppendToOutgoingContext(ctx, PreviousAttempts, strconv.Itoa(n))
}

// WithRepeated returns ctx with the header Repeated.
func WithRepeated(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, Repeated, "1")
}

// IsRepeat reports whether the call that a server has received with ctx is a
// repeat, of whatever client, or made on behalf of one.
func IsRepeat(ctx context.Context) bool {
	for _, v := range metadata.ValueFromIncomingContext(ctx, PreviousAttempts) {
		if n, err := strconv.Atoi(v); err == nil && n > 0 {
			return true
		}
	}
	return len(metadata.ValueFromIncomingContext(ctx, Repeated)) > 0
}

// WasNotExecuted reports whether the trailer of an attempt of method says that
// the server executed nothing of it.
func WasNotExecuted(trailer metadata.MD, method string) bool {
	v := trailer[NotExecuted]
	return len(v) == 1 && v[0] == method
}

// HideOwn removes from a trailer what is meant for the client and not for its
// user, who might pass it on as part of an answer of his own.
func HideOwn(trailer metadata.MD) metadata.MD {
	delete(trailer, NotExecuted)
	delete(trailer, Relayed)
	return trailer
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
