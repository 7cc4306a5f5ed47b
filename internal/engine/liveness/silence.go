package liveness

import "time"

// observe reads the counters at the time now. It reports whether something was
// read since the last check.
func (c *Connection) observe(now time.Duration) (alive bool) {
	read, sent, over := c.Read.Load(), c.sent.Load(), c.over.Load()
	unanswered := c.unanswered.Load()
	alive = read != c.read || c.quiet == 0
	if alive {
		c.read, c.quiet, c.owed, c.waits = read, now, unanswered, 0
	}
	if done := over - unanswered; done != c.done { // others than the slow are answered
		c.done, c.calm = done, 0
	}
	idle := sent == over && unanswered == c.owed // nothing waits and nothing is owed
	if idle || c.idle {
		c.quiet = now
	}
	switch {
	case idle:
		c.waits, c.old = 0, sent
	case c.waits == 0 && sent > c.old:
		c.waits = now
	}
	c.idle, c.count = idle, sent
	return alive
}

// silent reports whether an attempt has waited for so long, without a byte
// read, that the connection is suspicious.
//
// Attempts that a probe has shown to be merely slow are suspicious again only
// after a silence that doubles each time: an answer may take minutes. One that
// was sent since is measured by itself.
func (c *Connection) silent(now, silence time.Duration, waiting bool) bool {
	if c.waits > 0 && now-c.waits >= silence {
		return true
	}
	return waiting && now-c.quiet >= silence<<c.calm
}

// hold takes a while out of all measures, in which we ourselves stood still.
func (c *Connection) hold(lasting time.Duration) {
	for _, t := range []*time.Duration{&c.waits, &c.quiet, &c.began, &c.since, &c.moved} {
		if *t > 0 {
			*t += lasting
		}
	}
}
