package fleet

import (
	"sync"
	"sync/atomic"
	"weak"

	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
)

// maxLacking bounds the endpoints of which it is remembered that they lack a
// method. A fleet of which more do is on its way to another version, and a
// repeat finds one that does not.
const maxLacking = 32

// Lacking is which endpoints said UNIMPLEMENTED of a method. It is forgotten with
// the connection: an endpoint that is connected anew may be of another version.
type Lacking struct {
	now atomic.Pointer[[]lack] // immutable; nil is none

	mu sync.Mutex // orders replacements
}

// A lack is one endpoint that lacks a method, on this connection. It keeps neither:
// nobody tells when they are gone, and the method may not be called again.
type lack struct {
	endpoint weak.Pointer[Endpoint]
	wire     weak.Pointer[socket.Connection]
}

// at returns the endpoint if the connection is still its own, or else nil.
func (l lack) at() *Endpoint {
	e := l.endpoint.Value()
	if e == nil || e.Lost() || e.wire.Load() != l.wire.Value() {
		return nil
	}
	return e
}

// Add remembers that e lacks the method. ready is how many endpoints are ready. If
// more than half of them would be on the list all are forgotten: then it is the
// method, or what it was asked for, that is missing, and to avoid them would crush
// the rest.
func (l *Lacking) Add(e *Endpoint, ready int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var next []lack
	if now := l.now.Load(); now != nil {
		for _, o := range *now {
			if at := o.at(); at != nil && at != e {
				next = append(next, o)
			}
		}
	}
	next = append(next, lack{weak.Make(e), weak.Make(e.wire.Load())})
	if 2*len(next) > ready || len(next) > maxLacking {
		next = nil
	}
	if next == nil {
		l.now.Store(nil)
		return
	}
	l.now.Store(&next)
}

// Any reports whether With adds something. It costs one load.
func (l *Lacking) Any() bool { return l.now.Load() != nil }

// With returns avoid and the endpoints that lack the method.
func (l *Lacking) With(avoid []*balance.Endpoint) []*balance.Endpoint {
	now := l.now.Load()
	if now == nil {
		return avoid
	}
	out := append(make([]*balance.Endpoint, 0, len(avoid)+len(*now)), avoid...)
	for _, o := range *now {
		if e := o.at(); e != nil {
			out = append(out, &e.Endpoint)
		}
	}
	return out
}
