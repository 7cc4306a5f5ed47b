package scenario

import (
	"fmt"
	"slices"
	"time"
)

// What follows from a scenario without being written in it.

// FirstFault returns when the first harm is done, and false when none is.
func (s *Scenario) FirstFault() (time.Duration, bool) {
	for _, f := range s.Timeline {
		if f.Harms() {
			return f.At, true
		}
	}
	return 0, false
}

// Joining lists the servers that a join adds; all others are there from the
// start.
func (s *Scenario) Joining() []int {
	var servers []int
	for _, f := range s.Timeline {
		if f.Kind == Join {
			servers = append(servers, f.Servers...)
		}
	}
	return servers
}

// Struck lists the servers that are harmed at some time.
func (s *Scenario) Struck() []int {
	var servers []int
	for _, f := range s.Timeline {
		if f.Harms() {
			servers = append(servers, f.Servers...)
		}
	}
	return servers
}

// Aftermath is for how long after a server is well again its connections may still
// end of what was done to it: of what it had begun to cut, and of timers of TCP and of
// its own that have run out meanwhile.
const Aftermath = time.Second

// DownAt says whether a connection to the server may end, at that time, though its
// client wants to keep it: the server was not there yet, it is dead, it hangs, its
// packets vanish, or it cuts connections by itself, or did until a moment ago. One
// that is slow or answers with errors is not down.
func (s *Scenario) DownAt(server int, at time.Duration) bool {
	c := condition{absent: slices.Contains(s.Joining(), server)}
	healed := -Aftermath
	for _, f := range s.Timeline {
		if f.At > at || !slices.Contains(f.Servers, server) {
			continue
		}
		before := c
		c, _ = c.after(f.Kind)
		if before.lingers() && !c.lingers() {
			healed = f.At
		}
	}
	return c.absent || c.dead || c.lingers() || at < healed+Aftermath
}

// Reaction is how long clients have, after a fault, to react to it, before what
// they do is measured.
const Reaction = 2 * time.Second

// Trouble is the first harm that was done to servers.
type Trouble struct {
	Servers []int
	At      time.Duration
	End     time.Duration // when the first of them healed, else the end of the run
	Healed  bool
}

// Trouble returns the first harm to servers, and false without one.
func (s *Scenario) Trouble() (Trouble, bool) {
	t := Trouble{End: s.Load.Duration}
	for _, f := range s.Timeline {
		switch {
		case f.Harms() && t.Servers == nil && len(f.Servers) > 0:
			t.Servers, t.At = f.Servers, f.At
		case !f.Harms() && !t.Healed && slices.ContainsFunc(f.Servers, func(n int) bool { return slices.Contains(t.Servers, n) }):
			t.End, t.Healed = f.At, true
		}
	}
	return t, t.Servers != nil
}

// NeedsNetwork says what in the scenario needs a network of its own; "" when
// nothing does.
func (s *Scenario) NeedsNetwork() string {
	for _, f := range s.Timeline {
		if f.Kind.needsNetwork() {
			return fmt.Sprintf("the fault %s", f.Kind)
		}
	}
	switch {
	case s.DNS.VirtualIP:
		return "dns.virtual_ip"
	case s.DNS.Silent > 0:
		return "dns.silent"
	}
	return ""
}

// DropsPackets says whether packets must vanish at some time.
func (s *Scenario) DropsPackets() bool {
	return s.DNS.Silent > 0 || slices.ContainsFunc(s.Timeline, func(f Fault) bool { return f.Kind.needsNetwork() })
}

// Layer is the service that the server belongs to, from 1, which clients call.
func (s *Scenario) Layer(server int) int {
	if s.Fleet.Layers <= 1 {
		return 1
	}
	return 1 + (server-1)/s.LayerSize()
}

// LayerSize is how many servers each layer has.
func (s *Scenario) LayerSize() int { return s.Fleet.Servers / max(s.Fleet.Layers, 1) }

// Audited says whether the servers report what they did for the calls.
func (s *Scenario) Audited() bool {
	return s.Fleet.Layers > 1 || s.Fleet.Concurrency > 0 || s.Load.Writes > 0
}

// Recovery is how long the service has to recover after the end of its trouble
// before its goodput is measured.
const Recovery = 5 * time.Second

// writes is about how many calls change something.
func (s *Scenario) writes() float64 {
	return float64(s.Load.Clients) * s.Load.Rate * (s.Load.Warmup + s.Load.Duration).Seconds() * float64(s.Load.Writes) / 100
}

// Kills says whether a server is killed, and with it what it remembers.
func (s *Scenario) Kills() bool {
	return slices.ContainsFunc(s.Timeline, func(f Fault) bool { return f.Kind == Kill })
}
