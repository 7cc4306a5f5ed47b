package scenario

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// fault reads one entry of the timeline and checks that it can happen.
func (d *decoder) fault(n ast.Node, s *Scenario) {
	var f Fault
	if at := start(n); at != nil && at.Position != nil {
		f.Line = at.Position.Line
	}
	d.mapping(n, "a fault",
		must("at", func(n ast.Node) {
			before := len(d.errors)
			d.duration(&f.At, "at", 0, maxDuration)(n)
			if len(d.errors) == before && s.Load.Duration > 0 && f.At >= s.Load.Duration {
				d.failf(n.GetToken(), "at is %v, but the measured part ends after %v: strike earlier or lengthen load.duration", f.At, s.Load.Duration)
			}
		}),
		must("fault", choice(d, &f.Kind, "the fault", FaultKinds())),
		must("servers", func(n ast.Node) {
			d.list(n, "servers", func(e ast.Node) {
				number, ok := d.whole(e, "a server", 1, maxServers)
				switch {
				case !ok:
				case s.Fleet.Servers > 0 && number > s.Fleet.Servers:
					d.failf(e.GetToken(), "there is no server %d: fleet.servers is %d, and they are numbered from 1", number, s.Fleet.Servers)
				case slices.Contains(f.Servers, number):
					d.failf(e.GetToken(), "server %d stands twice: keep one", number)
				default:
					f.Servers = append(f.Servers, number)
				}
			})
			if seq, ok := n.(*ast.SequenceNode); ok && len(seq.Values) == 0 {
				d.failf(n.GetToken(), "servers is empty: name those to strike, such as [1, 2]")
			}
		}),
	)
	s.Timeline = append(s.Timeline, f)
}

// condition is what an earlier fault has left a server in.
type condition struct{ dead, stopped, silent bool }

// order sorts the timeline and checks each fault against what earlier ones did:
// nothing can be killed twice, and only what was struck can be healed.
func (d *decoder) order(s *Scenario) {
	slices.SortStableFunc(s.Timeline, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	fleet := map[int]condition{}
	for _, f := range s.Timeline {
		for _, server := range f.Servers {
			c, problem := fleet[server].after(f.Kind)
			if problem != "" {
				d.errors = append(d.errors, Error{File: d.file, Line: f.Line, Column: 1, Text: fmt.Sprintf("server %d %s", server, problem)})
			}
			fleet[server] = c
		}
	}
}

// after is the condition once the fault has struck, and what speaks against it.
func (c condition) after(kind FaultKind) (condition, string) {
	problem := ""
	switch {
	case c.dead && kind != Restart:
		problem = "is dead by then: restart it first or strike another"
	case kind == Restart && !c.dead:
		problem = "is not dead by then: kill it first or remove the restart"
	case kind == Stop && c.stopped, kind == SilentDrop && c.silent:
		problem = "is already struck so: strike another or heal it first"
	case kind == Continue && !c.stopped:
		problem = "is not stopped by then: stop it first or remove this"
	case kind == Heal && !c.silent:
		problem = "is not silent by then: strike it with silent-drop first or remove this"
	}
	switch kind {
	case Kill:
		c.dead, c.stopped = true, false
	case Restart:
		c.dead = false
	case Stop:
		c.stopped = true
	case Continue:
		c.stopped = false
	case SilentDrop:
		c.silent = true
	case Heal:
		c.silent = false
	}
	return c, problem
}
