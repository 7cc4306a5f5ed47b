package discovery

import "sync/atomic"

// A Waker tells the resolver of one channel that the channel is used. The zero
// Waker is ready; it must not be copied. Wake may be called from any goroutine,
// and on nil, which does nothing.
type Waker struct {
	// armed is the resolver that wants to know of the next call, nil while none
	// does: mostly one has been made since the last look-up.
	armed atomic.Pointer[channelResolver]
}

// Wake says that a call begins. It never waits, least of all for a look-up: the
// endpoints that are known are used. It costs one atomic load, and the first
// call after a look-up, or after idleness, a channel send.
func (w *Waker) Wake() {
	if w == nil {
		return
	}
	if r := w.armed.Load(); r != nil && w.armed.CompareAndSwap(r, nil) {
		r.watch.wake()
	}
}

// release has the Waker forget r.
func (w *Waker) release(r *channelResolver) {
	if w != nil {
		w.armed.CompareAndSwap(r, nil)
	}
}

// takeUse reports whether the channel was used since the last time it was asked,
// or is in use, and wants to know of the next call.
func (r *channelResolver) takeUse() bool {
	if r.cfg.Waker == nil {
		return true
	}
	used := r.cfg.Waker.armed.Swap(r) == nil
	return used || r.cfg.Idle != nil && !r.cfg.Idle()
}
