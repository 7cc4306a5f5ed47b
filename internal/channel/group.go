package channel

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/internal/engine/breaker"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A groupGuards is the breakers of one method for each group of endpoints. They
// know circuits alone; what the service refuses, and how many calls are in
// flight, is the method's. What counts is the attempt, which is all that a group
// sees of a call.
type groupGuards struct {
	channel *Channel
	method  string
	each    [fleet.MaxGroups + 1]atomic.Pointer[guard]

	mu     sync.Mutex
	policy policy.Breaker // of those to come
}

// configure makes all obey p from now on.
func (g *groupGuards) configure(now time.Duration, p policy.Breaker) (changed []change) {
	p.Throttle, p.MaxInFlight = policy.Throttle{}, 0
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.policy = p; !p.PerGroup {
		g.policy.Off = true
	}
	for i := range g.each {
		if b := g.each[i].Load(); b != nil {
			changed = append(changed, change{b, b.Configure(now, g.policy)})
		}
	}
	return changed
}

// of returns the breaker of the group with this number.
func (g *groupGuards) of(n uint32) *guard {
	if b := g.each[n].Load(); b != nil {
		return b
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.each[n].Load(); b != nil {
		return b
	}
	b := &guard{Breaker: breaker.New(g.policy, g.channel.clock()), channel: g.channel, method: g.method, group: g.channel.fleet.GroupName(n)}
	g.each[n].Store(b)
	return b
}

// shut returns the groups whose breaker admits no attempt now, and those whose
// breaker is waiting for a trial.
func (g *groupGuards) shut(now time.Duration) (shut, due uint64) {
	for rest := g.channel.fleet.Groups() &^ 1; rest != 0; rest &= rest - 1 {
		n := bits.TrailingZeros64(rest)
		b := g.each[n].Load()
		switch {
		case b == nil || b.State() == breaker.Closed:
		case b.Admits(now):
			due |= 1 << n
		default:
			shut |= 1 << n
		}
	}
	return shut, due
}

// closed reports whether there are groups, and every endpoint is in one that
// admits no attempt.
func (g *groupGuards) closed(now time.Duration) bool {
	shut, _ := g.shut(now)
	return shut != 0 && shut == g.channel.fleet.Groups()
}

// A stake is what an attempt holds of the breaker of its group.
type stake struct {
	guard  *guard
	ticket breaker.Ticket
	number uint32
}

// guide has the pick of a keep away from the groups whose breaker is open, or
// go to one that needs a trial: the first attempts of calls are those.
func (a *attemptState) guide(req *balance.Request) {
	a.settleGroup(outcome.Abandoned).tell() // of a pick that came to nothing
	if a.call.policy.Breaker.DryRun {
		return
	}
	now, g := a.call.channel.clock(), a.call.of.groups
	shut, due := g.shut(now)
	req.Shut = shut | due
	if due == 0 || a.number > 1 {
		return
	}
	n := uint32(bits.TrailingZeros64(due))
	b := g.of(n)
	t, d, c := b.Allow(now, a.call.channel.cfg.Random())
	if d.Reason == breaker.Admitted {
		req.Shut = ^(uint64(1) << n)
		a.enter(&stake{b, t, n})
	}
	b.tell(c)
}

// entered notes which group the pick led to.
func (a *attemptState) entered(e *fleet.Endpoint) {
	n := e.Group()
	a.mu.Lock()
	trial := a.stake
	a.mu.Unlock()
	if trial != nil && trial.number == n {
		return
	}
	a.settleGroup(outcome.Abandoned).tell() // the group has nobody who could be tried
	if n == 0 {
		return
	}
	b := a.call.of.groups.of(n)
	t, d, c := b.Allow(a.call.channel.clock(), a.call.channel.cfg.Random())
	if d.Reason == breaker.Admitted {
		a.enter(&stake{b, t, n})
	}
	b.tell(c)
}

func (a *attemptState) enter(s *stake) {
	a.mu.Lock()
	a.stake = s
	a.mu.Unlock()
}

// settleGroup tells the breaker of the group how the attempt ended, once, and
// returns how that changed it.
func (a *attemptState) settleGroup(v outcome.Verdict) change {
	if a == nil || a.call.of.groups == nil {
		return change{}
	}
	return a.leaveGroup(v)
}

func (a *attemptState) leaveGroup(v outcome.Verdict) change {
	a.mu.Lock()
	s, from := a.stake, a.start
	a.stake = nil
	a.mu.Unlock()
	if s == nil {
		return change{}
	}
	now := a.call.channel.clock()
	return change{s.guard, s.guard.Done(now, s.ticket, a.call.fair(s.guard, v, from, now), a.call.channel.cfg.Random())}
}
