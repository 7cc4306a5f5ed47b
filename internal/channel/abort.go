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

	// mu guards what follows. The caller's context may be any code: none of it is
	// run while mu is held, which those wait for who end attempts.
	mu sync.Mutex
	// late says that the first child does not follow the caller's context before the
	// attempt lingers, over that it must not follow it any more.
	late, over bool
	abort      func() // cancels all children of a light attempt, nil if it has had none
	// waits is the first child while it does not follow yet; unfollow ends that it does.
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

// dropper returns what cancels a light attempt, nil if grpc-go has not begun.
func (c *attemptContext) dropper() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abort == nil {
		return nil
	}
	return c.drop
}

// AfterFunc is called by package context when grpc-go derives its context, the child
// that abort cancels. It arranges that abort runs when the caller's context is done.
func (c *attemptContext) AfterFunc(abort func()) (stop func() bool) {
	c.mu.Lock()
	if c.late && c.abort == nil {
		c.abort, c.waits, stop = abort, abort, c.gone
		c.mu.Unlock()
	} else {
		c.mu.Unlock()
		stop = context.AfterFunc(c.Context, abort)
		c.adopt(abort, stop)
	}
	if c.cancelled.Load() {
		go c.drop() // it is too late to be told, and package context holds a lock that abort takes
	}
	return stop
}

// adopt notes a child that follows the caller's context until stop is called.
func (c *attemptContext) adopt(abort func(), stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.abort
	if before == nil {
		c.abort, c.unfollow = abort, stop
		return
	}
	c.abort = func() { // filters of xDS may derive, too
		before()
		abort()
		stop()
	}
}

// gone is called when the child has ended that waited, and follows by now, perhaps.
func (c *attemptContext) gone() bool {
	c.mu.Lock()
	unfollow := c.unfollow
	c.waits, c.over = nil, true
	c.mu.Unlock()
	return unfollow == nil || unfollow()
}

// follow makes the child that waits follow the caller's context. It may block.
func (c *attemptContext) follow() {
	c.mu.Lock()
	waits := c.waits
	c.waits, c.late = nil, false
	c.mu.Unlock()
	if waits == nil {
		return
	}
	unfollow := context.AfterFunc(c.Context, waits)
	c.mu.Lock()
	c.unfollow = unfollow
	over := c.over
	c.mu.Unlock()
	if over { // it has ended meanwhile
		unfollow()
	}
}

// drop cancels all children, of which the caller's context knows none any more: a
// child that is cancelled by its parent does not take leave of it.
func (c *attemptContext) drop() {
	c.mu.Lock()
	abort, unfollow := c.abort, c.unfollow
	c.waits, c.over = nil, true
	c.mu.Unlock()
	if abort != nil {
		abort()
	}
	if unfollow != nil {
		unfollow()
	}
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
