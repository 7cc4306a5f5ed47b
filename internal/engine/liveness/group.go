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
	// remember is for how many silences a condemned connection counts, so that a
	// fleet is not closed one half after the other.
	remember = 8
	// longest is to which multiple waits between probes double.
	longest = 5
	// slowFor is how long a peer that answered a probe is known to be slow. It is
	// probed before it is suspected.
	slowFor = time.Minute
	// strainedFor is how long a late answer to a probe counts, and mostStrained how
	// many of its times a probe has at most for that.
	strainedFor  = 10 * time.Second
	mostStrained = 3
)

// A Group watches the connections of one channel. It is used by one goroutine
// at a time.
type Group struct {
	policy policy.Liveness
	last   time.Duration   // when the last check was
	due    time.Duration   // when the next one was to be; 0 is never
	late   bool            // the last one was
	closed []time.Duration // when connections were condemned
	took   time.Duration   // how long the slowest answer to a probe has taken of late
	tookAt time.Duration   // when it came

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
	if lost := g.lost(now, period); lost > 0 {
		for _, c := range connections {
			c.hold(lost)
		}
	}
	able := room(g.policy, len(connections)) > 0 // somebody may be suspected
	busy := false
	for i, c := range connections {
		if c.observe(now) || c.known && c.socket.Unread > 0 {
			g.clear(now, i, c)
		}
		waiting := c.sent.Load() != c.over.Load()
		if c.asked.Load() && c.asked.Swap(false) && able && c.state == trusted {
			c.state = asked
			g.order(i, Probe, c.start(now))
		}
		if c.state == trusted && c.silent(now, g.policy.Silence, waiting) {
			if now < c.slow && able {
				c.state = asked
				g.order(i, Probe, c.start(now))
			} else {
				g.candidates = append(g.candidates, i)
			}
		}
		if c.state == asked && now-c.began >= g.grace() {
			g.candidates = append(g.candidates, i)
		}
		if waiting || c.waits > 0 || c.state != trusted {
			busy = true
		}
	}
	g.suspect(now, connections)
	g.due = now + period
	for i, c := range connections {
		g.probe(now, i, c)
		if c.Probing() && !g.late { // its time-out is short, and need not be rounded up
			if end := max(c.began, c.since, c.moved) + g.policy.ProbeTimeout; end > now {
				g.due = min(g.due, end)
			}
		}
		c.known = false
	}
	if busy {
		return g.orders, g.due
	}
	g.due = 0
	for _, c := range connections {
		c.asleep.Store(true)
		if c.sent.Load() != c.count || c.asked.Load() { // one came in between
			c.asleep.Store(false)
			g.due = now + period
		}
	}
	return g.orders, g.due
}

// lost returns how much of the time since the last check does not count. A
// check that is late says that this process was held up, and its reader with
// it: what has arrived in the meantime may be unread. So a late check counts
// for nothing, and each that follows it late for one period: a process that is
// starved all the time still finds who is dead, after as many checks.
func (g *Group) lost(now, period time.Duration) time.Duration {
	passed, again := now-g.last, g.late
	g.late = g.due > 0 && now > g.due+period
	g.last = now
	switch {
	case !g.late:
		return 0
	case again:
		return max(passed-period, 0)
	default:
		return passed
	}
}

// grace is how long the probe of a peer that is known to be slow may go
// unanswered before it is suspected.
func (g *Group) grace() time.Duration { return min(g.policy.Silence, g.policy.ProbeTimeout/2) }

// clear ends a suspicion, or a probe that something was read after.
func (g *Group) clear(now time.Duration, i int, c *Connection) {
	if c.state == trusted || c.state == condemned {
		return
	}
	if c.Probing() { // perhaps only the probe was answered
		g.learn(now, c)
		c.calm = min(c.calm+1, longest)
		c.slow = now + slowFor
	}
	if c.state == asked {
		g.order(i, Answered, c.number)
	} else {
		g.order(i, Clear, c.number)
	}
	c.trust(now)
	c.suspect.Store(false)
}

// learn takes note of how long an answer to a probe took.
func (g *Group) learn(now time.Duration, c *Connection) {
	if c.since == 0 {
		return
	}
	if took := now - max(c.since, c.moved); took >= g.took || now-g.tookAt > strainedFor {
		g.took, g.tookAt = took, now
	}
}

// patience is how long a probe may go unanswered before its connection is
// condemned: longer while others have answered late. When servers, or the
// machine that they share with us, are short of processors, to close what is slow and
// to connect anew takes what little there is.
func (g *Group) patience(now time.Duration) time.Duration {
	timeout := g.policy.ProbeTimeout
	if now-g.tookAt > strainedFor {
		return timeout
	}
	return min(max(timeout, 2*g.took), mostStrained*timeout)
}

// trust begins all measures anew.
func (c *Connection) trust(now time.Duration) {
	c.state, c.fails, c.again = trusted, 0, 0
	c.old, c.waits, c.quiet = c.sent.Load(), 0, now
	c.stop()
}

// room returns how many of a number of connections may be suspected or closed
// at once, which is never all.
func room(p policy.Liveness, of int) int { return min(of*p.MaxPercent/100, of-1) }

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
		case trusted, asked:
		}
	}
	left := room(g.policy, pool) - bad
	slices.SortStableFunc(g.candidates, func(a, b int) int {
		return cmp.Compare(connections[a].quiet, connections[b].quiet)
	})
	for _, i := range g.candidates[:min(max(left, 0), len(g.candidates))] {
		c := connections[i]
		if c.state == asked {
			c.state = probed
		} else {
			c.state, c.again = suspected, now
		}
		c.suspect.Store(!g.policy.DryRun)
		g.order(i, Suspect, c.number)
	}
}

// probe moves a suspicion on.
func (g *Group) probe(now time.Duration, i int, c *Connection) {
	switch c.state {
	case suspected:
		if now >= c.again {
			c.state = probed
			g.order(i, Probe, c.start(now))
		}
	case asked, probed:
		g.judge(now, i, c)
	case trusted, condemned:
	}
}

// judge decides over a connection with a probe.
func (g *Group) judge(now time.Duration, i int, c *Connection) {
	f := c.find(now, g.policy.ProbeTimeout, g.patience(now))
	switch {
	case f == silence && c.state == probed:
		g.closed = append(g.closed, now)
		g.order(i, Condemn, c.number)
		c.state = condemned
		if g.policy.DryRun {
			c.calm = min(c.calm+1, longest)
			c.trust(now)
		}
	case f == silence, f == nothing: // or there are suspects enough
		c.fails = min(c.fails+1, longest)
		c.again = now + g.policy.Silence<<c.fails
		if c.state == probed {
			c.state = suspected
		} else {
			c.state, c.slow = trusted, 0
		}
		c.stop()
		g.order(i, Inconclusive, c.number)
	}
}

func (g *Group) order(i int, a Action, probe uint64) {
	g.orders = append(g.orders, Order{Index: i, Action: a, Probe: probe})
}
