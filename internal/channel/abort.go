package channel

import "context"

// An attempt with a timeout must be able to cancel what grpc-go does for it.
// context.WithCancel would do, and is the most expensive thing on the path of
// a call (5 % of the throughput of bare grpc-go). But grpc-go derives one
// cancellable context from ours for every call, and package context lets a
// parent that is not its own keep track of its children: if the parent has a
// method AfterFunc, it is called with the function that cancels the child
// (context.WithCancel, "propagateCancel"). So attemptState has that method: it
// passes the function on to the caller's context, as grpc-go would have done
// without us, and keeps it for the timeout.
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

// AfterFunc is called by package context when grpc-go derives its context. It
// arranges that abort runs when the caller's context is done.
func (a *attemptState) AfterFunc(abort func()) (stop func() bool) {
	a.mu.Lock()
	if first := a.abort; first != nil {
		a.abort = func() { first(); abort() }
	} else {
		a.abort = abort
	}
	lost := a.lost
	a.mu.Unlock()
	if lost {
		go abort() // it is too late to be told, and package context holds a lock that abort takes
	}
	return context.AfterFunc(a.Context, abort)
}

// Err returns why the attempt was cancelled: package context asks while it
// cancels what grpc-go derived.
func (a *attemptState) Err() error {
	if a.light {
		a.mu.Lock()
		cancelled := a.timedOut || a.lost
		a.mu.Unlock()
		if cancelled {
			return context.Canceled
		}
	}
	return a.Context.Err()
}
