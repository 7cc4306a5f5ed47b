package channel

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
)

// An attempt with a timeout must be able to cancel what grpc-go does for it.
// context.WithCancel would do, and is the most expensive thing on the path of
// a call (5 % of the throughput of bare grpc-go). But grpc-go derives one
// cancellable context from ours for every call, and package context lets a
// parent that is not its own keep track of its children: if the parent has a
// method AfterFunc, it is called with the function that cancels the child
// (context.WithCancel, "propagateCancel"). So attemptContext has that method: it
// keeps the function for the timeout. It also passes it on to the caller's context,
// as grpc-go would have done without us, but only once the attempt lingers: before,
// that costs more than to hear a little later that the caller has left.
//
// Package context prefers to find one of its own contexts behind ours, by
// asking our Value for a key that is its secret. A light attempt does not
// answer to that key, which learnCancelKey learns by being asked. Should a
// release of Go do any of this otherwise, no key is learnt and attempts use
// context.WithCancel.

// cancelKey is the key that package context asks its parents for, nil if it
// does not ask.
var cancelKey = learnCancelKey()

func learnCancelKey() any {
	p := &parent{Context: context.Background(), done: make(chan struct{})}
	_, cancel := context.WithCancel(p)
	cancel()
	if !p.followed {
		return nil
	}
	return p.key
}

// A parent sees what package context does with it.
type parent struct {
	context.Context
	done     chan struct{}
	key      any
	followed bool
}

func (p *parent) Done() <-chan struct{} { return p.done }

func (p *parent) Value(key any) any {
	p.key = key
	return nil
}

func (p *parent) AfterFunc(func()) (stop func() bool) {
	p.followed = true
	return func() bool { return true }
}

// attemptKey is how the picker finds the attempt in the context of a pick.
type attemptKey struct{}

// An attemptContext is the context that grpc-go gets for an attempt: a type of our
// own, so that an attempt costs no allocation for its value. Whoever keeps it may ask
// it at any time, when the memory of the attempt may be another's: it is all that is
// looked at then, and the attempt is only for picks and for what grpc-go reports while
// the attempt is made.
type attemptContext struct {
	context.Context
	attempt   atomic.Pointer[attemptState] // nil once the call is over and has let go of it
	light     bool                         // is cancelled through abort
	cancelled atomic.Bool                  // by us

	// mu guards what follows. Package context calls AfterFunc, and what that returns,
	// with no lock but of the child's.
	mu sync.Mutex
	// late says that a child does not follow the caller's context before the attempt
	// lingers.
	late  bool
	abort func() // cancels all children of a light attempt, nil if it has none
	// waits is the child that does not follow yet, unfollow ends that it does.
	waits    func()
	unfollow func() bool
}

func (c *attemptContext) Value(key any) any {
	if _, ok := key.(attemptKey); ok {
		return c.attempt.Load()
	}
	if c.light && key == cancelKey {
		return nil
	}
	return c.Context.Value(key)
}

// aborter returns what cancels a light attempt, nil if grpc-go has not begun.
func (c *attemptContext) aborter() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.abort
}

// AfterFunc is called by package context when grpc-go derives its context, the child
// that abort cancels. It arranges that abort runs when the caller's context is done.
func (c *attemptContext) AfterFunc(abort func()) (stop func() bool) {
	c.mu.Lock()
	if first := c.abort; first != nil {
		c.abort = func() { first(); abort() }
	} else {
		c.abort = abort
	}
	late := c.late && c.waits == nil
	if late {
		c.waits = abort
	}
	c.mu.Unlock()
	if c.cancelled.Load() {
		go abort() // it is too late to be told, and package context holds a lock that abort takes
	}
	if late {
		return c.gone
	}
	return context.AfterFunc(c.Context, abort)
}

// gone is called when the child has ended that waited, and follows by now, perhaps.
func (c *attemptContext) gone() bool {
	c.mu.Lock()
	unfollow := c.unfollow
	c.waits = nil
	c.mu.Unlock()
	return unfollow == nil || unfollow()
}

// follow makes the child that waits follow the caller's context, and all that come.
func (c *attemptContext) follow() {
	c.mu.Lock()
	c.late = false
	if c.waits != nil {
		c.unfollow = context.AfterFunc(c.Context, c.waits)
		c.waits = nil
	}
	c.mu.Unlock()
}

// Err returns why the attempt was cancelled: package context asks while it
// cancels what grpc-go derived.
func (c *attemptContext) Err() error {
	if c.cancelled.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

// done is called by grpc-go when a stream ends, and when a pick turned out to
// have no connection.
func (c *attemptContext) done(info balancer.DoneInfo) {
	if a := c.attempt.Load(); a != nil {
		a.done(info)
	}
}
