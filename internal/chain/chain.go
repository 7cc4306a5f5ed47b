// Package chain joins the two calls of a hop: the one that a server serves, and
// those that its handler makes meanwhile. What the first one knows goes to the
// others with the handler's context; what becomes of them goes back into the
// answer. It is what the two drivers share, which do not know each other.
package chain

import (
	"context"
	"errors"
	"sync/atomic"

	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/wire"
)

// key is how a Call is found in the contexts that are derived from it.
type key struct{}

// A Call is a call while a server of Surefoot serves it. It is the context of
// the handler: a type of its own, so that it costs a call one allocation. The
// zero Call with a Context is one about which nothing is known yet. All methods
// may be called from any goroutine, after the handler's end too, since contexts
// outlive it.
type Call struct {
	context.Context

	// refused has a bit for each code with which a call failed that must not
	// be repeated.
	refused atomic.Uint32
}

// Value returns the value of key, and the Call itself for [From].
func (c *Call) Value(k any) any {
	if _, ok := k.(key); ok {
		return c
	}
	return c.Context.Value(k)
}

// From returns the call that is being served by a handler that was given ctx, or
// what ctx comes from; nil if there is none.
func From(ctx context.Context) *Call {
	c, _ := ctx.Value(key{}).(*Call)
	return c
}

// IsRepeat reports whether this attempt of the call is a repeat, or made on
// behalf of a call that is one, however far above.
func (c *Call) IsRepeat() bool { return wire.IsRepeat(c.Context) }

// Refuse says that a call that was made for this one failed with err, and that
// a repeat which might have helped was refused.
func (c *Call) Refuse(err error) {
	if code := status.Code(err); code < codeBits {
		c.refused.Or(1 << code)
	}
}

// codeBits is how many codes have a bit.
const codeBits = 32

// refusal is what an error of a client of Surefoot says about repeats.
type refusal interface {
	error
	RepeatRefused() bool
}

// ForbidsRepeat reports whether err, which the handler returned, stands for a
// call of which a repeat was refused. That is known of the error of such a call
// itself, however it is wrapped, and whoever made the call. Of an error that the
// handler made it is assumed, if a call that was made for this one was refused with
// the same code: most handlers pass on what they got in words of their own.
func (c *Call) ForbidsRepeat(err error) bool {
	if err == nil {
		return false
	}
	if own, ok := errors.AsType[refusal](err); ok {
		return own.RepeatRefused()
	}
	code := status.Code(err)
	return code < codeBits && c.refused.Load()&(1<<code) != 0
}
