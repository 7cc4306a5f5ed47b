package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/engine/breaker"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A guard is the breaker of a method, or of a method in one group of endpoints.
// It outlives the method's policies.
type guard struct {
	*breaker.Breaker

	channel *Channel
	method  string
	group   string
}

// A change is how a breaker changed, if it did.
type change struct {
	guard *guard
	what  *breaker.Change
}

// tell tells the observer. No lock of a call may be held.
func (c change) tell() { c.guard.tell(c.what) }

// guarded gives m its breakers, which obey its policy from now on, and returns
// how that changed them. mu of the methods is held.
func (m *method) guarded(c *Channel, name string) (changed []change) {
	p, l, now := m.Unary.Breaker, m.learnt, c.clock()
	if l.guard != nil {
		changed = append(changed, change{l.guard, l.guard.Configure(now, p)})
	}
	if l.groups != nil {
		changed = append(changed, l.groups.configure(now, p)...)
	}
	if !p.Trips() && !p.Throttles() && (p.Off || p.MaxInFlight == 0) {
		return changed
	}
	if l.guard == nil {
		l.guard = &guard{Breaker: breaker.New(p, now), channel: c, method: name}
	}
	m.guard = l.guard
	if p.PerGroup && p.Trips() {
		if l.groups == nil {
			l.groups = &groupGuards{channel: c, method: name}
			l.groups.configure(now, p)
		}
		m.groups = l.groups
	}
	return changed
}

// tell tells the observer of a change of the breaker, if there was one.
func (g *guard) tell(c *breaker.Change) {
	if c != nil {
		g.report(c)
	}
}

func (g *guard) report(c *breaker.Change) {
	hook := g.channel.cfg.Observer.Breaker
	if hook == nil {
		return
	}
	hook(observe.BreakerChange{
		Target: g.channel.cfg.Target, Method: g.method, Group: g.group,
		From: c.From.String(), To: c.To.String(), Why: c.Why, For: c.For, DryRun: c.DryRun,
	})
}

// admit asks the breakers of the method whether the call is made, and returns the
// caller's error if not. What it takes from them is given back by settle, or by
// giveBack.
func (s *callState) admit() error {
	m := s.of
	if m.guard == nil {
		return nil
	}
	if m.groups != nil {
		if !s.policy.Breaker.DryRun && m.groups.closed(s.start) {
			return s.deny(breaker.Denial{Reason: breaker.CircuitOpen, Why: "in every group of endpoints"})
		}
	}
	if t, passed := m.guard.Pass(s.start); passed {
		s.ticket, s.holds = t, true
		return nil
	}
	return s.ask()
}

// ask asks a breaker that does not let everyone pass.
func (s *callState) ask() error {
	g := s.of.guard
	t, d, c := g.Allow(s.start, s.channel.cfg.Random())
	if d.Reason == breaker.Admitted { // before the hook, which may panic
		s.ticket, s.holds = t, true
	}
	g.tell(c)
	if s.holds {
		return nil
	}
	return s.deny(d)
}

// deny notes that the call is not to be made, and returns the caller's error
// unless that is a dry run.
func (s *callState) deny(d breaker.Denial) error {
	switch d.Reason {
	case breaker.Throttled:
		d.Why = fmt.Sprintf("%d%% of them are held back", d.Percent)
	case breaker.Full:
		d.Why = fmt.Sprintf("%d calls are in flight, which is its limit", s.policy.Breaker.MaxInFlight)
	case breaker.Admitted, breaker.CircuitOpen, breaker.TrialsTaken: // the circuit knows why
	}
	denial := &observe.Denial{Reason: d.Reason.String(), Why: d.Why, Wait: d.Wait, DryRun: d.DryRun}
	if d.Since != 0 {
		denial.Since = s.channel.wall(d.Since)
	}
	s.inTrouble().denial = denial
	if d.DryRun {
		return nil
	}
	code := codes.Unavailable
	if d.Reason == breaker.Full {
		code = codes.ResourceExhausted
	}
	return status.Error(code, s.refusal(d))
}

// refusal says why the call is not made. That it is the client who says so must
// be plain to whoever reads it, however far up.
func (s *callState) refusal(d breaker.Denial) string {
	var b strings.Builder
	fmt.Fprintf(&b, "surefoot: %s was not called: ", s.method)
	ago := (s.start - d.Since).Round(time.Millisecond)
	switch d.Reason {
	case breaker.CircuitOpen:
		if d.Since == 0 {
			fmt.Fprintf(&b, "its breaker is open %s", d.Why)
			break
		}
		fmt.Fprintf(&b, "its breaker has been open for %v (%s), the next trial is in %v", ago, d.Why, d.Wait.Round(time.Millisecond))
	case breaker.TrialsTaken:
		fmt.Fprintf(&b, "its breaker has been half-open for %v, and other calls are trying whether it works again", ago)
	case breaker.Throttled:
		b.WriteString("it refuses calls, so that " + d.Why)
	case breaker.Admitted: // which nobody refuses
	case breaker.Full:
		b.WriteString(d.Why)
	}
	return b.String()
}

// settle tells the breaker how the call ended, once, and returns how that
// changed it, for tell: no lock of the call may be held then.
func (s *callState) settle(err error) *breaker.Change {
	if !s.holds {
		return nil
	}
	return s.settleAs(s.ended(err))
}

// ended returns the verdict on the last attempt, whose error is err. A call whose
// time was up before anything was sent says nothing of the service.
func (s *callState) ended(err error) outcome.Verdict {
	switch {
	case err == nil:
		return outcome.Success
	case s.verdict == outcome.Expired && (s.trouble == nil || !s.trouble.applied):
		return outcome.Unprocessed
	default:
		return s.verdict
	}
}

// settleAs is settle for a call that holds something of the breaker.
func (s *callState) settleAs(v outcome.Verdict) *breaker.Change {
	s.holds = false
	now := s.endedAt()
	if v == outcome.Success {
		return s.of.guard.Done(now, s.ticket, v, 0)
	}
	return s.of.guard.Done(now, s.ticket, s.fair(s.of.guard, v, s.start+s.waited, now), s.channel.cfg.Random())
}

// fair returns v, or what says nothing of the service if that is that time ran out,
// and there never was enough from the time from on. What call options narrow is
// the caller's doing, too.
func (s *callState) fair(g *guard, v outcome.Verdict, from, now time.Duration) outcome.Verdict {
	if v != outcome.Expired && v != outcome.Timeout {
		return v
	}
	contract := s.of.Unary.Deadline
	if s.policy.Streaming {
		contract = s.of.Stream.Deadline
	}
	if d := s.machine.Deadline(); d == 0 || g.Fair(now, d-from, contract) {
		return v
	}
	return outcome.Unprocessed
}

// endedAt returns the time at the end of the call. Most succeed at once, and
// have looked at the clock when they did.
func (s *callState) endedAt() time.Duration {
	if s.trouble == nil && s.first.ended > 0 {
		return s.first.ended
	}
	return s.channel.clock()
}

// giveBack ends the hedges of the call, and gives back what it holds of the
// breaker, if it has not settled: an interceptor or a hook has panicked.
func (s *callState) giveBack() {
	if s.hedges != nil {
		s.hedges.end()
	}
	if s.holds {
		s.settleAs(outcome.Abandoned)
	}
}

// answered tells the breaker that the server has sent the first message of a
// stream, which may go on for hours. It returns how that changed the breaker.
func (s *callState) answered() *breaker.Change {
	if !s.holds {
		return nil
	}
	rest, c := s.of.guard.Answered(s.channel.clock(), s.ticket)
	s.ticket = rest
	return c
}

// interrupted says that the call ended while it waited. If its caller gave up, or
// the client was closed, what the last attempt met is not how the call would have
// ended.
func (s *callState) interrupted() {
	switch err := s.ctx.Err(); {
	case errors.Is(err, context.Canceled):
		s.verdict = outcome.Abandoned
	case err == nil && s.channel.closed.Load():
		s.verdict = outcome.Local
	}
}
