package liveness

import (
	"cmp"
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

const (
	// checksPerSilence is how finely silence is measured.
	checksPerSilence = 4
	// late is how many periods a check may be late by before it proves nothing.
	late = 2
	// remember is for how many silences a condemned connection counts, so that a
	// fleet is not closed one half after the other.
	remember = 8
	// longest is to which multiple waits between probes double.
	longest = 5
)

// A Group watches the connections of one channel. It is used by one goroutine
// at a time.
type Group struct {
	policy policy.Liveness
	due    time.Duration   // when the next check was to be; 0 is never
	closed []time.Duration // when connections were condemned

	candidates []int
	orders     []Order
}

// New returns a Group with this policy.
func New(p policy.Liveness) *Group { return &Group{policy: p} }

// Configure replaces the policy from the next Check on.
func (g *Group) Configure(p policy.Liveness) { g.policy = p }

// Check decides, at the time now, over all connections of the channel that are
// established. Besides when it is due, it is to run after each change of the
// connections and of the policy. It returns what is to be done, which is valid until the next
// Check, and when to check again; zero is when [Connection.Sent] asks for it.
func (g *Group) Check(now time.Duration, connections []*Connection) (orders []Order, next time.Duration) {
	g.orders, g.candidates = g.orders[:0], g.candidates[:0]
	if g.policy.Off || g.policy.Silence <= 0 {
		for i, c := range connections {
			g.clear(now, i, c)
		}
		g.due = 0
		return g.orders, 0
	}
	period := max(g.policy.Silence/checksPerSilence, 1)
	if g.due > 0 && now > g.due+late*period { // we were held up, not they
		for _, c := range connections {
			c.hold(now - g.due)
		}
	}
	busy := false
	for i, c := range connections {
		if c.observe(now) {
			g.clear(now, i, c)
		}
		waiting := c.sent.Load() != c.over.Load()
		if waiting || c.waits > 0 || c.state != trusted {
			busy = true
		}
		if c.state == trusted && c.silent(now, g.policy.Silence, waiting) {
			g.candidates = append(g.candidates, i)
		}
	}
	g.suspect(now, connections)
	g.due = now + period
	for i, c := range connections {
		g.probe(now, i, c)
		if c.state == probed { // its time-out is short, and need not be rounded up
			if end := max(c.began, c.stream) + g.policy.ProbeTimeout; end > now {
				g.due = min(g.due, end)
			}
		}
	}
	if busy {
		return g.orders, g.due
	}
	g.due = 0
	for _, c := range connections {
		c.asleep.Store(true)
		if c.sent.Load() != c.count { // one came in between
			c.asleep.Store(false)
			g.due = now + period
		}
	}
	return g.orders, g.due
}

// clear ends a suspicion.
func (g *Group) clear(now time.Duration, i int, c *Connection) {
	if c.state != suspected && c.state != probed {
		return
	}
	if c.state == probed { // perhaps only the probe was answered
		c.calm = min(c.calm+1, longest)
	}
	c.state, c.fails = trusted, 0
	c.old, c.waits, c.quiet = c.sent.Load(), 0, now
	c.suspect.Store(false)
	c.probe.Store(noProbe)
	g.order(i, Clear)
}

// suspect makes suspects of those that are silent for longest, as many as the
// share allows, which is never all.
func (g *Group) suspect(now time.Duration, connections []*Connection) {
	if len(g.candidates) == 0 {
		return
	}
	g.closed = slices.DeleteFunc(g.closed, func(at time.Duration) bool { return now-at > remember*g.policy.Silence })
	bad := len(g.closed)
	pool := bad + len(connections)
	for _, c := range connections {
		switch c.state {
		case suspected, probed:
			bad++
		case condemned: // already among the closed, and not yet dropped
			pool--
		case trusted:
		}
	}
	room := min(pool*g.policy.MaxPercent/100, pool-1) - bad
	slices.SortStableFunc(g.candidates, func(a, b int) int {
		return cmp.Compare(connections[a].quiet, connections[b].quiet)
	})
	for _, i := range g.candidates[:min(max(room, 0), len(g.candidates))] {
		c := connections[i]
		c.state, c.again = suspected, now
		c.suspect.Store(!g.policy.DryRun)
		g.order(i, Suspect)
	}
}

// probe moves a suspicion on.
func (g *Group) probe(now time.Duration, i int, c *Connection) {
	switch {
	case c.state == suspected && now >= c.again:
		c.state, c.began, c.stream, c.wrote = probed, now, 0, c.Written.Load()
		c.probe.Store(probeStarted)
		g.order(i, Probe)
	case c.state == probed:
		g.verdict(now, i, c)
	}
}

// verdict decides over a connection with a probe, from which nothing was read
// since before the probe began.
func (g *Group) verdict(now time.Duration, i int, c *Connection) {
	p := c.probe.Load()
	if p == probeSent && c.stream == 0 {
		c.stream = max(c.began, 1) // its bytes may have been written at once
		if now-c.began > g.policy.ProbeTimeout/2 {
			c.stream = now // it waited, and has yet to be answered
		}
	}
	wrote := c.Written.Load() != c.wrote
	switch {
	case c.Read.Load() != c.read: // a moment ago: the next check clears it
	case p == probeSent && wrote && now-c.stream >= g.policy.ProbeTimeout:
		c.state = condemned
		g.closed = append(g.closed, now)
		g.order(i, Condemn)
		if g.policy.DryRun {
			c.state, c.old, c.waits, c.quiet = trusted, c.sent.Load(), 0, now
			c.calm = min(c.calm+1, longest)
		}
	case p == probeOver, p != probeSent && now-c.began >= g.policy.ProbeTimeout,
		!wrote && now-c.began >= 2*g.policy.ProbeTimeout:
		c.fails = min(c.fails+1, longest)
		c.state, c.again = suspected, now+g.policy.Silence<<c.fails
		c.probe.Store(noProbe)
		g.order(i, Inconclusive)
	}
}

func (g *Group) order(i int, a Action) { g.orders = append(g.orders, Order{Index: i, Action: a}) }
