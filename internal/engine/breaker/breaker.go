// Package breaker decides whether a call is made at all.
//
// Three things forbid it. A circuit is open while the service fails: closed,
// open and half-open as Nygard draws them ("Release It!", 2007), with
// Hystrix's and resilience4j's rate over a window and minimum of calls,
// linkerd's second rule of failures in a row, and openings that grow, as
// Finagle's do. A throttle holds a part of the calls back while the service
// refuses some (see throttle.go). A limit bounds how many calls are in flight.
// Each is about calls and not attempts: what a repeat repaired has not failed.
//
// Who calls what:
//
//   - [Breaker.Allow] before the first attempt of a call.
//   - [Breaker.Done] once for each ticket of a call that was made, with the
//     verdict on its last attempt: also if the caller gave up, or a trial's
//     place, and a place in flight, are never given back.
//   - [Breaker.Answered] when a stream has its first message: it may last for
//     hours, and a trial is over when the service answers.
//   - [Breaker.Fair] before Done for a call that ran out of time. One that never
//     had enough is to be given to Done as one that says nothing.
//
// In a dry run it does what it would do, denies nothing, and leaves out of its
// counts the calls that it would have denied: so it decides as it would if it
// were obeyed, as far as anyone can know.
package breaker

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/window"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A State is where a circuit stands.
type State uint8

const (
	// Closed lets calls through.
	Closed State = iota
	// Open lets none through.
	Open
	// HalfOpen lets a few through, as trials.
	HalfOpen
)

var stateNames = [...]string{Closed: "closed", Open: "open", HalfOpen: "half-open"}

// String returns the state's word.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

// A Change is a transition of the circuit.
type Change struct {
	From, To State
	// Why says what it was decided from, for people.
	Why string
	// For is how long an opening lasts from now on.
	For time.Duration
	// DryRun says that nothing is done about it.
	DryRun bool
}

// A Breaker guards the calls of one method, or of one method to one group of
// endpoints. It may be used from any goroutine.
//
// A call that succeeds costs a load and one short lock. A number of calls in
// flight, where there is a limit, costs two atomic exchanges more.
type Breaker struct {
	word     atomic.Uint64 // see word.go; written with mu held
	limit    atomic.Int64  // calls in flight at most, 0 for any number
	inFlight atomic.Int64  // those that hold a place
	_        [40]byte      // what Done writes lies on another cache line

	// In the order of how often they are needed: what a success writes is on few lines.
	mu   sync.Mutex
	row  int // failures since the last success
	pace pace
	circuit
	counts window.Counts[event] // since the circuit last changed
	policy policy.Breaker
}

// An event is how a call that was counted ended, or that it was held back.
type event int

const (
	succeeded event = iota
	failed
	refused // only if there is a throttle; else it is a failure
	heldBack
)

// New returns a Breaker that has seen nothing, and is closed.
func New(p policy.Breaker, now time.Duration) *Breaker {
	b := &Breaker{policy: p, counts: window.New[event](p.Window, now)}
	b.limit.Store(limitOf(p))
	b.publish()
	return b
}

// Configure changes the policy. Calls that are under way count by the new one.
// A circuit that no rule opens any more is closed; a change of the window
// forgets what was counted. The result is nil if the circuit did not change.
func (b *Breaker) Configure(now time.Duration, p policy.Breaker) *Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.policy
	b.policy = p
	b.limit.Store(limitOf(p))
	defer b.publish()
	if p.Window != old.Window {
		b.forget(now)
	}
	if !p.Trips() && b.state != Closed {
		b.openings = 0
		return b.become(now, Closed, "no rule opens it any more")
	}
	if latest := now + p.Ceiling(longest); b.state == Open && b.until > latest {
		b.until = latest
	}
	return nil
}

// forget starts the counts anew. It is called with mu held.
func (b *Breaker) forget(now time.Duration) {
	b.counts = window.New[event](b.policy.Window, now)
	b.row = 0
	b.pressed, b.taken = false, 0
}
