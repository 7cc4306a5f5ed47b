package channel

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/chain"
	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/breaker"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/observe"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A callState is one call, from the first attempt to the last. It belongs to
// the goroutine that makes the call. It is small: it is what every call costs.
type callState struct {
	channel *Channel
	ctx     context.Context // the caller's
	method  string
	policy  *policy.Method
	of      *method
	start   time.Duration // on the channel's clock
	machine attempt.Call
	trouble *trouble // nil while nothing went wrong
	ticket  breaker.Ticket
	hedges  *hedges // nil unless it may hedge
	first   attemptState
	waited  time.Duration // for an endpoint, in all
	serving *chain.Call   // for which it is made, nil if for none
	// unprocessed is how many attempts provably reached no handler.
	unprocessed atomic.Int32
	// ownTimeout says that the attempt timeout is this call's own, bounded that
	// the deadline is the policy's and not the context's, inherited that it is that of the
	// call for which it is made, marked that this other call is a repeat.
	ownTimeout, bounded, inherited, marked bool
	// waits says that the call options tell grpc-go how to wait for an endpoint.
	waits bool
	// keyed says that the key in its header is why it may be repeated, holds that it
	// has the ticket of the breaker.
	keyed, holds bool
	verdict      outcome.Verdict // on the attempt that ended the call, if it failed
}

// trouble is what a call needs once an attempt has failed, or if somebody
// watches.
type trouble struct {
	// tried are the endpoints that must not be picked again. They are added
	// between attempts, or by a pick, never while another pick reads them; what
	// one has read stays.
	tried   []*balance.Endpoint
	story   []observe.Attempt
	omitted int             // attempts that are over and not in the story
	denial  *observe.Denial // why the breaker would have denied the call, or did
	applied bool            // a handler may have run
}

// newCall starts a call of m with the policy p, which is one of m's or this
// call's own. req is nil for a stream.
func (c *Channel) newCall(ctx context.Context, method string, m *method, p *policy.Method, req any) *callState {
	s, _ := c.calls.Get().(*callState)
	if s == nil {
		s = new(callState)
	}
	s.channel, s.ctx, s.method, s.policy, s.of, s.start = c, ctx, method, p, m, c.clock()
	s.ownTimeout = p != &m.Unary && p != &m.Stream
	c.waker.Wake()
	s.serving = chain.From(ctx)
	s.machine.Init(p, c.budget, s.terms(req))
	if s.serving != nil && s.serving.IsRepeat() {
		// Somebody above repeats. He decides about more, and those below are told.
		s.marked = true
		s.machine.Restrict()
	}
	if s.machine.Repeatable() {
		c.fleet.RepeatableSeen(s.start)
	}
	return s
}

// recycle lets the memory of the call be used again, if nobody else can have it. That
// is so once a call has succeeded with its only attempt and nothing else happened: its
// goroutine alone knew of it, but for grpc-go, which has let go of all but the
// context, and for the timer, which was stopped before it rang. An interceptor of
// attempts may have more of them under way, whatever it returned. It must be the last
// that is done with the call.
func (s *callState) recycle() {
	if s.trouble != nil || s.hedges != nil || s.first.over || s.channel.xds || len(s.channel.cfg.Unary) > 0 {
		return
	}
	s.first.ctx.attempt.Store(nil)
	c := s.channel
	*s = callState{}
	c.calls.Put(s)
}

// begin returns the first step of the call: Done, with the error, if it is not
// made. err says that it must not be. cc is what attempts are made on.
func (s *callState) begin(cc *grpc.ClientConn, err error) (attempt.Step, error) {
	if err == nil {
		err = s.admit()
	}
	if err == nil {
		if s.mustAwait() {
			err = s.awaitReady(cc)
		}
		if err != nil {
			s.verdict = outcome.Unprocessed
			s.interrupted()
		}
	}
	if err != nil {
		return attempt.Step{}, err
	}
	now := s.start
	if s.waited > 0 {
		now = s.channel.clock()
	}
	return s.machine.BeginAfter(now, s.waited), nil
}

// inTrouble returns s.trouble, made if need be.
func (s *callState) inTrouble() *trouble {
	if s.trouble == nil {
		s.trouble = new(trouble)
	}
	return s.trouble
}

// tried returns the endpoints to avoid.
func (s *callState) tried() []*balance.Endpoint {
	if s.trouble == nil {
		return nil
	}
	return s.trouble.tried
}

// next returns the attempt that step starts, ready to run. It is no hedge.
func (s *callState) next(step attempt.Step) *attemptState {
	a, now := &s.first, s.start
	if step.Number > 1 {
		a = new(attemptState)
	}
	a.number = step.Number
	told := s.attemptStart(a) // first, since a hook that panics leaves no timer then
	if step.Number > 1 || s.waited > 0 || told {
		now = s.channel.clock()
	}
	a.begin(s, now, step.For)
	if s.hedges != nil {
		s.hedges.begin(a, now)
	}
	return a
}

// attemptStart tells the observer, if there is one, of an attempt that is about to be
// made.
func (s *callState) attemptStart(a *attemptState) (told bool) {
	hook := s.channel.cfg.Observer.AttemptStart
	if hook != nil {
		hook(s.ctx, s.method, int(a.number))
	}
	return hook != nil
}

// finish records how a ended and returns what to do next. The error is the
// call's if the step is Done.
func (s *callState) finish(a *attemptState, err error) (attempt.Step, error) {
	timedOut := a.end()
	if err == nil {
		inGroup := a.settleGroup(outcome.Success)
		a.testify(outcome.Good, false)
		a.learn(outcome.Success)
		inGroup.tell()
		// The trouble of a call that may hedge is looked at once it will not.
		if a.hedge == nil && (s.hedges == nil || s.hedges.unused()) && s.trouble == nil && !timedOut && !s.observed() {
			return attempt.Step{}, nil
		}
	}
	now := s.channel.clock()
	v, evidence, pushback := a.judge(err, now)
	if a.cameBack() && evidence == outcome.Good {
		s.machine.Answered(now - a.start)
	}
	if err != nil {
		inGroup := a.settleGroup(v)
		// A hedge may have lost as soon as it was sent, and is owed nothing.
		overtaken := evidence == outcome.Overtaken && a.hedge == nil
		a.testify(evidence, timedOut || v == outcome.Expired || overtaken)
		a.learn(v)
		inGroup.tell()
	}
	switch v {
	case outcome.Unprocessed:
		s.unprocessed.Add(1)
	case outcome.Missing:
		s.lacks(a)
	default:
	}
	if !v.SameEndpoint() && a.endpoint != nil {
		s.avoid(a.endpoint)
	}
	fresh := a.blames() && s.channel.fresh(s.avoided(a))
	step := s.finished(a, now, v, pushback, fresh)
	err = s.record(a, v, err, now, step.Why)
	s.attemptDone(a)
	return step, err
}

// finished tells the engine how a ended.
func (s *callState) finished(a *attemptState, now time.Duration, v outcome.Verdict, pb outcome.Pushback, fresh bool) attempt.Step {
	r, none := s.channel.cfg.Random(), a.hedge == nil && a.unready()
	if s.hedges != nil {
		return s.hedges.finished(a, now, v, pb, fresh, none, r)
	}
	s.verdict = v
	if none {
		s.machine.Unplaced(s.patience() > 0)
	}
	return s.machine.Finish(now, v, pb, fresh, r)
}

// end records how an attempt ended that must not be repeated whatever it
// ended with, and returns the call's error. It runs no hook.
func (s *callState) end(a *attemptState, err error) error {
	a.end()
	now := s.channel.clock()
	v, evidence, _ := a.judge(err, now)
	a.testify(evidence, false)
	if v == outcome.Missing {
		s.lacks(a)
	}
	s.verdict = v
	if err == nil && !s.observed() {
		return nil
	}
	return s.record(a, v, err, now, s.machine.End(now, v).Why)
}

// observed reports whether somebody wants to see successful calls too.
func (s *callState) observed() bool {
	o := &s.channel.cfg.Observer
	return o.AttemptDone != nil || o.CallDone != nil
}

// record adds a to the story and returns its error as the caller sees it.
// Only a is locked, and no hook runs.
func (s *callState) record(a *attemptState, v outcome.Verdict, err error, now time.Duration, next string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.lock()
	defer s.unlock()
	t := s.inTrouble()
	applied := v.MayHaveBeenApplied(a.maybeSent(), status.Code(err))
	t.applied = t.applied || applied
	err = a.explain(err, v, now)
	if a.starved && err != nil {
		next += "; the retry budget was exhausted when the attempt timeout had passed"
	}
	t.tell(observe.Attempt{
		Number:   int(a.number),
		Endpoint: a.address(),
		Start:    s.channel.wall(a.start),
		Duration: now - a.start,
		Code:     uint32(status.Code(err)),
		Verdict:  v.String(),

		MayHaveBeenApplied: applied,
		Next:               next,
	})
	return err
}

// attemptDone tells the observer of a, if it is on record.
func (s *callState) attemptDone(a *attemptState) {
	hook := s.channel.cfg.Observer.AttemptDone
	if hook == nil {
		return
	}
	s.lock()
	story := s.story()
	i := slices.IndexFunc(story, func(told observe.Attempt) bool { return told.Number == int(a.number) })
	if i < 0 {
		s.unlock()
		return
	}
	told := story[i]
	s.unlock()
	hook(s.ctx, s.method, told)
}

// wait waits for the backoff. It returns false if the call, or the client,
// ended meanwhile.
func (s *callState) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
	case <-s.channel.closing:
	}
	s.machine.Abandon()
	s.interrupted()
	return false
}

// conclude returns the call as observers see it, with the caller's error: the
// one that ended it, with the story attached.
func (s *callState) conclude(err error) observe.Call {
	if s.hedges != nil { // attempts are recorded as they end
		slices.SortFunc(s.story(), func(a, b observe.Attempt) int { return a.Number - b.Number })
	}
	c := observe.Call{
		Method:             s.method,
		Target:             s.channel.cfg.Target,
		Start:              s.channel.wall(s.start),
		Duration:           s.channel.clock() - s.start,
		Err:                err,
		Attempts:           s.story(),
		MayHaveBeenApplied: err != nil && s.trouble != nil && s.trouble.applied,
		RepeatRefused:      err != nil && s.repeatRefused(),
	}
	switch {
	case err == nil:
		c.Verdict = outcome.Success.String()
	case s.verdict != 0:
		c.Verdict = s.verdict.String()
	}
	if s.trouble != nil {
		c.Denial, c.Omitted = s.trouble.denial, s.trouble.omitted
	}
	if err != nil {
		c.Err = s.channel.cfg.CallError(c)
	}
	if c.RepeatRefused && s.serving != nil {
		s.serving.Refuse(err)
	}
	return c
}

// report tells all who want to know how a unary call has ended, and returns the
// caller's error.
func (s *callState) report(err error, user *userOptions) error {
	if err != nil || s.observed() {
		c := s.conclude(err)
		err = c.Err
		s.callDone(c)
	}
	user.deliver()
	user.finished(err)
	return err
}

// callDone tells the observer that the call is over.
func (s *callState) callDone(c observe.Call) {
	if hook := s.channel.cfg.Observer.CallDone; hook != nil {
		hook(s.ctx, c)
	}
}

func (s *callState) avoid(e *fleet.Endpoint) {
	s.lock()
	defer s.unlock()
	t := s.inTrouble()
	if !slices.Contains(t.tried, &e.Endpoint) { // or a call that goes on until its deadline never ends to grow
		t.tried = append(t.tried, &e.Endpoint)
	}
}

// avoided returns the endpoints that a must not go to.
func (s *callState) avoided(a *attemptState) []*balance.Endpoint {
	if s.hedges == nil {
		return s.of.learnt.lacking.With(s.tried())
	}
	s.lock()
	defer s.unlock()
	return s.of.learnt.lacking.With(s.hedges.avoided(a))
}

// fresh reports whether an endpoint is ready that is not to be avoided.
func (c *Channel) fresh(avoid []*balance.Endpoint) bool {
	p := c.fleet.Picker()
	return p != nil && p.Fresh(avoid)
}
