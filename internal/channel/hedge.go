package channel

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// hedges is what a call has that may hedge. Its attempts overlap: the one that
// is no hedge runs on the caller's goroutine and into the caller's reply, each
// hedge on a goroutine and into a reply of its own. Whichever of them ends the
// call cancels the others. The caller waits for their goroutines, which end as
// soon as they are cancelled, and only then returns: nothing reads the request
// or writes the reply afterwards.
type hedges struct {
	call *callState

	// What is asked for. The caller's reply is the first attempt's to write, so
	// that a hedge knows only its kind.
	req     any
	cc      *grpc.ClientConn
	invoker grpc.UnaryInvoker
	opts    []grpc.CallOption
	user    *userOptions
	kind    kind

	running sync.WaitGroup
	next    chan ended // what a hedge's end means for the call
	won     *attemptState

	// mu orders what the attempts, and timers, do with the call: its machine and
	// its trouble. It comes after an attempt's mu.
	mu      sync.Mutex
	engine  attempt.Hedging
	first   hedgeTimer
	timer   *hedgeTimer     // of the attempts in flight
	flying  []*attemptState // attempts in flight
	one     [1]*attemptState
	hedged  bool // a hedge was started
	over    bool // the call is over
	broken  bool // a hedge's goroutine did not return: it panicked, or exited
	panicky any  // with this; nil if it exited
}

// A hedge is what an attempt has of its own that is one.
type hedge struct {
	reply any
	opts  []grpc.CallOption
	user  *userOptions
}

// ended is the end of a hedge that decides what the call does next.
type ended struct {
	step    attempt.Step
	err     error
	attempt *attemptState
}

// hedgeAfter returns how long the attempts of the call may take before a hedge
// starts, whose policy says so, 0 if none does. A key makes a call one that may be repeated, and not one
// that may run twice at once: a server that finds the key in use answers the hedge
// with an error, which would end the call.
func (s *callState) hedgeAfter() time.Duration {
	if !s.policy.Safety.Repeatable() || !s.machine.Repeatable() {
		return 0
	}
	return s.of.hedgeAfter(s.policy, s.channel.clock())
}

// hedge lets the call hedge with h, if it may and its reply can be made again.
func (s *callState) hedge(h *hedges, reply any) {
	delay := s.hedgeAfter()
	if delay == 0 {
		return
	}
	var ok bool
	if h.kind, ok = kindOf(reply); !ok {
		s.of.learnt.unlike.Do(func() {
			s.channel.problem(fmt.Errorf("surefoot: %s: calls are not hedged whose reply is a %T: a reply must be a "+
				"protobuf message, or a pointer to a zero value, so that each attempt can have its own", s.method, reply))
		})
		return
	}
	h.call, h.timer = s, &h.first
	h.flying = h.one[:0]
	s.machine.Hedge(&h.engine, delay, s.of.hedgeLimit)
	s.hedges = h
}

// lock orders the attempts of a call that hedges. Others have one at a time.
func (s *callState) lock() {
	if s.hedges != nil {
		s.hedges.mu.Lock()
	}
}

func (s *callState) unlock() {
	if s.hedges != nil {
		s.hedges.mu.Unlock()
	}
}

// giveUp asks whether a, which takes too long, may be cancelled. a's mu is held.
func (s *callState) giveUp(a *attemptState) bool {
	// Of an endpoint that is not ours nobody knows whether there are others.
	elsewhere := a.endpoint == nil || s.channel.fresh(append(slices.Clip(s.avoided(a)), &a.endpoint.Endpoint))
	s.lock()
	defer s.unlock()
	return s.machine.GiveUp(s.channel.clock(), elsewhere)
}

// A hedgeTimer says when the attempts in flight took so long that a hedge may
// start. There is one for each attempt that is no hedge.
type hedgeTimer struct {
	timeouts.Link
	hedges *hedges
	off    bool // guarded by the hedges' mu
}

// begin says that a, which is no hedge, is about to be made.
func (h *hedges) begin(a *attemptState, now time.Duration) {
	h.mu.Lock()
	over := h.over
	h.flying = append(h.flying, a)
	last := h.timer
	if after := h.call.machine.HedgeAfter(); after > 0 {
		if last.hedges != nil {
			h.timer = &hedgeTimer{}
		}
		h.timer.hedges = h
		c := h.call.channel
		c.timeouts.Of(after).Start(&h.timer.Link, h.timer, now)
	}
	if last != h.timer {
		last.off = true
	}
	h.mu.Unlock()
	if last != h.timer {
		last.Stop()
	}
	if over { // a hedge was faster than the repeat
		a.lose()
	}
}

// Linger does nothing: the attempt has a time of its own.
func (t *hedgeTimer) Linger() {}

// Expire asks for a hedge, and makes it.
func (t *hedgeTimer) Expire() (over bool) {
	h := t.hedges
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.call
	if t.off || h.over || s.ctx.Err() != nil { // what is under way may not know yet that the caller left
		return true
	}
	now := s.channel.clock()
	step := s.machine.StartHedge(now, s.channel.fresh(h.avoided(nil)))
	if step.Action == attempt.Start {
		a := &attemptState{number: step.Number, hedge: &hedge{reply: h.kind.make()}}
		a.hedge.opts, a.hedge.user = h.user.beside(h.opts)
		a.begin(s, now, step.For)
		if !h.hedged {
			h.hedged, h.next = true, make(chan ended, 1)
		}
		h.flying = append(h.flying, a)
		h.running.Add(1)
		go h.run(a)
	}
	return !s.machine.MayHedge()
}

// run makes a hedge.
func (h *hedges) run(a *attemptState) {
	defer h.running.Done()
	returned := false
	defer func() {
		if !returned {
			h.fail(a, recover())
		}
	}()
	h.call.attemptStart(a)
	err := h.invoke(a)
	step, err := h.call.finish(a, err)
	returned = true
	if step.Action != attempt.Await {
		h.decide(ended{step, err, a})
	}
}

// invoke makes the attempt. An interceptor that panics ends it, too.
func (h *hedges) invoke(a *attemptState) error {
	returned := false
	defer a.leaveUnless(&returned)
	err := h.invoker(a.ctx, h.call.method, h.req, a.hedge.reply, h.cc, a.hedge.opts...)
	returned = true
	return err
}

// fail ends the call because a hedge did not return. The caller's goroutine
// goes on with the panic, or the exit.
func (h *hedges) fail(a *attemptState, panicked any) {
	a.end()
	if panicked != nil {
		h.call.channel.problem(fmt.Errorf("surefoot: %s: a hedge panicked, which ends the call: %v\n%s", h.call.method, panicked, debug.Stack()))
	}
	h.mu.Lock()
	if !h.broken {
		h.broken, h.panicky = true, panicked
	}
	h.mu.Unlock()
	h.abandon()
	h.decide(ended{step: attempt.Step{Action: attempt.Done}, attempt: a})
}

// decide tells the caller's goroutine what to do next, if it waits. It has
// something to wake up for already, or will panic, if next is full: one attempt
// ends the call, and others may panic meanwhile.
func (h *hedges) decide(e ended) {
	select {
	case h.next <- e:
	default:
	}
}

// abandon ends the call, if it is not over, and cancels what is in flight.
func (h *hedges) abandon() {
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return
	}
	h.over = true
	h.call.machine.Abandon()
	lost, timer := h.flying, h.timer
	h.mu.Unlock()
	timer.Stop()
	for _, o := range lost {
		o.lose()
	}
}

// end ends what is left of the call, and returns when nothing of it runs.
func (h *hedges) end() {
	h.abandon()
	h.running.Wait()
}

// finished tells the engine how a ended. If that ends the call, the others are
// cancelled.
func (h *hedges) finished(a *attemptState, now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh, none bool, r uint64) attempt.Step {
	finish := h.call.machine.Finish
	if a.hedge != nil {
		finish = h.call.machine.FinishHedge
	}
	h.mu.Lock()
	if none {
		h.call.machine.Unplaced(h.call.patience() > 0)
	}
	step := finish(now, v, pb, fresh, r)
	var left []*attemptState // others may go through the old list
	for _, o := range h.flying {
		if o != a {
			left = append(left, o)
		}
	}
	h.flying = left
	h.over = h.over || step.Action == attempt.Done
	if step.Action != attempt.Await {
		h.call.verdict = v
	}
	stop := h.timer
	if len(left) > 0 && !h.over {
		stop = nil
	} else {
		stop.off = true
	}
	h.mu.Unlock()
	if stop != nil {
		stop.Stop()
	}
	if step.Action == attempt.Done {
		for _, o := range left {
			o.lose()
		}
	}
	return step
}

// unused reports whether the call, which has succeeded, has started no hedge.
// It starts none from now on.
func (h *hedges) unused() bool {
	h.mu.Lock()
	if h.hedged {
		h.mu.Unlock()
		return false
	}
	h.over = true
	h.mu.Unlock()
	h.first.Stop()
	return true
}

// avoided returns the endpoints that a must not go to: those that failed the
// call, and those on which other attempts are in flight. mu is held.
func (h *hedges) avoided(a *attemptState) []*balance.Endpoint {
	avoid := slices.Clip(h.call.tried()) // others may read it
	for _, o := range h.flying {
		if o != a && o.at != nil {
			avoid = append(avoid, o.at)
		}
	}
	return avoid
}

// await waits until a hedge has decided what the call does next, or until wait
// has passed, if that is not 0, and an endpoint is ready for a repeat beside the
// hedges. err is returned if none has decided.
func (h *hedges) await(wait time.Duration, err error) (attempt.Step, error) {
	var timeout <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timeout = t.C
	}
	s := h.call
	var ready <-chan struct{}
	for {
		select {
		case e := <-h.next:
			if e.step.Action == attempt.Done {
				h.won = e.attempt
			}
			return e.step, e.err
		case <-timeout:
			timeout = nil
		case <-ready:
		}
		ready = s.channel.fleet.Changed()
		if s.patience() == 0 || s.channel.fleet.Picker() != nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			return s.machine.ResumeBeside(s.channel.clock()), err
		}
	}
}

// settle waits for the hedges of a call that is over, hands the reply over if
// one of them has won, and returns what the attempt that has ended the call put
// into the user's options.
func (h *hedges) settle(reply any, user *userOptions, err error) *userOptions {
	h.running.Wait()
	switch {
	case h.broken && h.panicky != nil:
		panic(h.panicky) //nolint:forbidigo // of an interceptor, as it would be without hedges
	case h.broken:
		runtime.Goexit()
	case h.won == nil:
		return user
	case err == nil: // whatever a cancelled attempt has left in the reply
		h.kind.handOver(reply, h.won.hedge.reply)
	}
	return h.won.hedge.user
}

// lose cancels an attempt of a call that another one has ended.
func (a *attemptState) lose() {
	a.mu.Lock()
	a.lost = true
	a.mu.Unlock()
	a.cut()
}
