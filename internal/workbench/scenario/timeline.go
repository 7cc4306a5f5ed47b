package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxFactor is how many times as slow a server can become.
const maxFactor = 1000.0

// Codes lists the status codes with which a server can be made to answer.
func Codes() []string {
	return []string{
		"CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
		"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
		"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
}

// fault reads one entry of the timeline.
func (d *decoder) fault(n ast.Node, s *Scenario) {
	var f Fault
	at := start(n)
	if at != nil && at.Position != nil {
		f.Line = at.Position.Line
	}
	given := map[string]bool{}
	note := func(name string, read func(ast.Node)) field {
		return may(name, func(n ast.Node) { given[name] = true; read(n) })
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
		note("servers", func(n ast.Node) { d.servers(n, s, &f) }),
		note("factor", d.number(&f.Factor, "factor", maxFactor)),
		note("code", choice(d, &f.Code, "the code", Codes())),
		note("share", d.count(&f.Share, "share", 1, 100)),
		note("reply", choice(d, &f.Reply, "the reply", Replies())),
	)
	if (f.Kind == Answer || f.Kind == LoseReply) && !given["share"] {
		f.Share = 100
	}
	if f.Kind != "" {
		d.belongs(n, f.Kind, given)
	}
	s.Timeline = append(s.Timeline, f)
}

// belongs checks that the fault has the fields that its kind needs, and no
// others.
func (d *decoder) belongs(n ast.Node, kind FaultKind, given map[string]bool) {
	need, allowed := []string{"servers"}, []string(nil)
	switch kind {
	case Slow:
		need = append(need, "factor")
	case Answer, LoseReply:
		if allowed = []string{"share"}; kind == Answer {
			need = append(need, "code")
		}
	case BadDNS:
		need = []string{"reply"}
	case Kill, Restart, Stop, Continue, SilentDrop, Heal, Recover, Join: // just the servers
	}
	for _, name := range need {
		if !given[name] {
			d.failf(start(n), "the fault %s lacks the field %q: add it", kind, name)
		}
	}
	for _, name := range []string{"servers", "factor", "code", "share", "reply"} {
		if given[name] && !slices.Contains(need, name) && !slices.Contains(allowed, name) {
			d.failf(start(n), "the fault %s has no field %q: it takes at, fault, %s", kind, name, strings.Join(append(need, allowed...), ", "))
		}
	}
}

// servers reads those that a fault strikes.
func (d *decoder) servers(n ast.Node, s *Scenario, f *Fault) {
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
}

// condition is what an earlier fault has left a server in.
type condition struct{ absent, dead, stopped, silent, sick, cuts bool }

// lingers says whether connections break in a way whose end may come when the
// cause is gone.
func (c condition) lingers() bool { return c.stopped || c.silent || c.cuts }

// order sorts the timeline and checks each fault against what earlier ones did:
// nothing can be killed twice, and only what was struck can be healed.
func (d *decoder) order(s *Scenario) {
	slices.SortStableFunc(s.Timeline, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	fleet := map[int]condition{}
	for _, server := range s.Joining() {
		fleet[server] = condition{absent: true}
	}
	fail := func(f Fault, format string, args ...any) {
		d.errors = append(d.errors, Error{File: d.file, Line: f.Line, Column: 1, Text: fmt.Sprintf(format, args...)})
	}
	reply := Normal
	for _, f := range s.Timeline {
		for _, server := range f.Servers {
			c, problem := fleet[server].after(f.Kind)
			if problem != "" {
				fail(f, "server %d %s", server, problem)
			}
			fleet[server] = c
		}
		if f.Kind == BadDNS {
			if f.Reply == reply {
				fail(f, "the reply of DNS is %s by then: remove this", reply)
			}
			reply = f.Reply
		}
	}
}

// after is the condition once the fault has struck, and what speaks against it.
func (c condition) after(kind FaultKind) (condition, string) {
	problem := ""
	switch {
	case c.absent && kind != Join:
		problem = "has not joined by then: strike it later or strike another"
	case kind == Join && !c.absent:
		problem = "is there by then: a server joins once"
	case c.dead && kind != Restart:
		problem = "is dead by then: restart it first or strike another"
	case kind == Restart && !c.dead:
		problem = "is not dead by then: kill it first or remove the restart"
	case kind == Stop && c.stopped, kind == SilentDrop && c.silent:
		problem = "is already struck so: strike another or heal it first"
	case (kind == Slow || kind == Answer || kind == LoseReply) && c.sick:
		problem = "is slow or answers badly by then: let it recover first or strike another"
	case kind == Continue && !c.stopped:
		problem = "is not stopped by then: stop it first or remove this"
	case kind == Heal && !c.silent:
		problem = "is not silent by then: strike it with silent-drop first or remove this"
	case kind == Recover && !c.sick:
		problem = "is neither slow nor answers badly by then: strike it with slow or answer first or remove this"
	}
	switch kind {
	case Kill:
		c.dead, c.stopped, c.sick, c.cuts = true, false, false, false
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
	case Slow, Answer, LoseReply:
		c.sick, c.cuts = true, kind == LoseReply
	case Recover:
		c.sick, c.cuts = false, false
	case Join:
		c.absent = false
	case BadDNS: // strikes no server
	}
	return c, problem
}
