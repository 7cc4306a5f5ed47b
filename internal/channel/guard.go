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
	"github.com/surefoot-rpc/surefoot/policy"
)

// A guard is the breaker of a method. It outlives the method's policies.
type guard struct {
	*breaker.Breaker

	channel *Channel
	method  string
}

// guarded returns the breaker of the method with this name, which obeys p from
// now on, and how that changed it. The guard is nil if p lets every call
// through. mu of the methods is held.
func (l *learnt) guarded(c *Channel, name string, p policy.Breaker) (*guard, *breaker.Change) {
	acts := p.Trips() || p.Throttles() || !p.Off && p.MaxInFlight > 0
	if l.guard == nil && acts {
		l.guard = &guard{breaker.New(p, time.Now()), c, name}
		return l.guard, nil
	}
	if l.guard == nil {
		return nil, nil
	}
	changed := l.guard.Configure(time.Now(), p)
	if !acts {
		return nil, changed
	}
	return l.guard, changed
}

// tell tells the observer of a change of the breaker, if there was one.
func (g *guard) tell(c *breaker.Change) {
	if c == nil || g.channel.cfg.Observer.Breaker == nil {
		return
	}
	g.channel.cfg.Observer.Breaker(observe.BreakerChange{
		Target: g.channel.cfg.Target, Method: g.method,
		From: c.From.String(), To: c.To.String(), Why: c.Why, For: c.For, DryRun: c.DryRun,
	})
}

// admit asks the breaker of the method whether the call is made, and returns
// the caller's error if not. What it takes from the breaker is given back by
// settle, or by giveBack.
func (s *callState) admit(g *guard) error {
	if g == nil {
		return nil
	}
	t, d, c := g.Allow(s.start, s.channel.cfg.Random())
	g.tell(c)
	if d.Reason == breaker.Admitted {
		s.guard, s.ticket, s.holds = g, t, true
		return nil
	}
	denial := &observe.Denial{Reason: d.Reason.String(), Why: d.Why, Since: d.Since, Wait: d.Wait, DryRun: d.DryRun}
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
	ago := s.start.Sub(d.Since).Round(time.Millisecond)
	switch d.Reason {
	case breaker.CircuitOpen:
		fmt.Fprintf(&b, "its breaker has been open for %v (%s), the next trial is in %v", ago, d.Why, d.Wait.Round(time.Millisecond))
	case breaker.TrialsTaken:
		fmt.Fprintf(&b, "its breaker has been half-open for %v, and other calls are trying whether it works again", ago)
	case breaker.Throttled:
		fmt.Fprintf(&b, "it refuses calls, so that %d%% of them are held back", d.Percent)
	case breaker.Full:
		fmt.Fprintf(&b, "%d calls are in flight, which is its limit", s.policy.Breaker.MaxInFlight)
	}
	return b.String()
}

// settle tells the breaker how the call ended, once, and returns how that
// changed it, for tell: no lock of the call may be held then.
func (s *callState) settle(err error) *breaker.Change {
	if err == nil {
		return s.settleAs(outcome.Success)
	}
	return s.settleAs(s.verdict)
}

func (s *callState) settleAs(v outcome.Verdict) *breaker.Change {
	if !s.holds {
		return nil
	}
	s.holds = false
	return s.guard.Done(time.Now(), s.ticket, v)
}

// giveBack gives back what the call holds of the breaker, if it has not
// settled: an interceptor or a hook has panicked.
func (s *callState) giveBack() {
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
	rest, c := s.guard.Answered(time.Now(), s.ticket)
	s.ticket = rest
	return c
}

// interrupted says that the call ended while it waited for a repeat. If its
// caller gave up, or the client was closed, what the last attempt met is not
// how the call would have ended.
func (s *callState) interrupted() {
	switch {
	case errors.Is(s.ctx.Err(), context.Canceled):
		s.verdict = outcome.Abandoned
	case s.ctx.Err() == nil:
		s.verdict = outcome.Local
	}
}
