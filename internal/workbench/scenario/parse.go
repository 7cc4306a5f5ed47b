package scenario

import (
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// What one machine can play. Larger fleets need other means.
const (
	maxServers  = 200
	maxClients  = 1000
	maxRate     = 1000.0
	maxKeys     = 10_000
	maxDuration = 10 * time.Minute
)

// Parse reads a scenario. file names it in errors, and its base name without
// .yaml is the scenario's name. A failure is of type Errors and holds all
// mistakes that were found.
func Parse(file string, text []byte) (*Scenario, error) {
	d := &decoder{file: file}
	s := &Scenario{
		Name: strings.TrimSuffix(filepath.Base(file), ".yaml"),
		DNS:  DNS{TTL: 5 * time.Second},
		Load: Load{Warmup: time.Second, Deadline: 2 * time.Second, BadAfter: 250 * time.Millisecond},
	}
	if !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(s.Name) {
		d.failf(nil, "the file is named %q: name it in lower case with dashes, such as slow-node.yaml", filepath.Base(file))
	}
	doc := d.document(text)
	if doc == nil {
		return nil, d.errors.sorted()
	}
	if s.Intent = intent(text); s.Intent == "" {
		d.failf(nil, "the file does not start with a comment: say in a paragraph what it is meant to show")
	}
	var expect, timeline []ast.Node
	d.mapping(doc.Body, "the scenario",
		must("summary", d.text(&s.Summary, "summary")),
		must("fleet", func(n ast.Node) { d.fleet(n, &s.Fleet) }),
		may("dns", func(n ast.Node) { d.dns(n, &s.DNS) }),
		must("load", func(n ast.Node) { d.load(n, &s.Load) }),
		may("contract", func(n ast.Node) {
			d.text(&s.Contract.Text, "contract")(n)
			s.Contract.Line = n.GetToken().Position.Line
		}),
		may("timeline", func(n ast.Node) {
			d.list(n, "timeline", func(e ast.Node) { timeline = append(timeline, e) })
		}),
		must("arms", func(n ast.Node) { d.arms(n, s) }),
		must("expect", func(n ast.Node) {
			d.list(n, "expect", func(e ast.Node) { expect = append(expect, e) })
		}),
	)
	// These are checked against the fleet, the load and the arms, which may
	// stand below them in the file.
	before := len(d.errors)
	for _, n := range timeline {
		d.fault(n, s)
	}
	if len(d.errors) == before { // else it would judge faults that nobody wrote
		d.order(s)
		d.fits(doc.Body, s)
	}
	for _, n := range expect {
		d.expectation(n, s)
	}
	if len(d.errors) > 0 {
		return nil, d.errors.sorted()
	}
	return s, nil
}

// intent is the comment at the head of the file, as one paragraph.
func intent(text []byte) string {
	var words []string
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(rest)...)
	}
	return strings.Join(words, " ")
}

func (d *decoder) fleet(n ast.Node, f *Fleet) {
	d.mapping(n, "fleet",
		must("servers", d.count(&f.Servers, "fleet.servers", 1, maxServers)),
		may("work", d.duration(&f.Work, "fleet.work", 0, time.Minute)),
		may("max_connection_age", d.duration(&f.MaxConnectionAge, "fleet.max_connection_age", time.Second, time.Hour)),
	)
}

func (d *decoder) dns(n ast.Node, dns *DNS) {
	d.mapping(n, "dns",
		may("ttl", func(n ast.Node) {
			d.duration(&dns.TTL, "dns.ttl", 0, time.Hour)(n)
			if dns.TTL%time.Second != 0 {
				d.failf(n.GetToken(), "dns.ttl is %v: DNS knows whole seconds only", dns.TTL)
			}
		}),
		may("shuffle", func(n ast.Node) {
			if seed, ok := d.whole(n, "dns.shuffle", 0, math.MaxInt32); ok {
				dns.Shuffle = uint64(seed)
			}
		}),
		may("delist_after", d.duration(&dns.DelistAfter, "dns.delist_after", time.Millisecond, maxDuration)),
		may("virtual_ip", d.truth(&dns.VirtualIP, "dns.virtual_ip")),
		may("refusing", d.count(&dns.Refusing, "dns.refusing", 0, maxServers)),
		may("silent", d.count(&dns.Silent, "dns.silent", 0, maxServers)),
	)
}

func (d *decoder) load(n ast.Node, l *Load) {
	d.mapping(n, "load",
		must("clients", d.count(&l.Clients, "load.clients", 1, maxClients)),
		must("rate", d.number(&l.Rate, "load.rate", maxRate)),
		may("warmup", d.duration(&l.Warmup, "load.warmup", 0, maxDuration)),
		must("duration", d.duration(&l.Duration, "load.duration", 100*time.Millisecond, maxDuration)),
		may("deadline", d.duration(&l.Deadline, "load.deadline", time.Millisecond, time.Minute)),
		may("bad_after", d.duration(&l.BadAfter, "load.bad_after", time.Millisecond, time.Minute)),
		may("keys", d.count(&l.Keys, "load.keys", 1, maxKeys)),
		may("cold", d.truth(&l.Cold, "load.cold")),
	)
}

func (d *decoder) arms(n ast.Node, s *Scenario) {
	d.list(n, "arms", func(e ast.Node) {
		var arm Arm
		choice(d, &arm, "an arm", Arms())(e)
		switch {
		case arm == "":
		case slices.Contains(s.Arms, arm):
			d.failf(e.GetToken(), "the arm %q stands twice: keep one", arm)
		default:
			s.Arms = append(s.Arms, arm)
		}
	})
	if seq, ok := n.(*ast.SequenceNode); ok && len(seq.Values) == 0 {
		d.failf(n.GetToken(), "arms is empty: name at least one: %s", OneOf("", Arms()))
	}
}

// fits checks what parts of the file say of each other.
func (d *decoder) fits(body ast.Node, s *Scenario) {
	at := start(body)
	ages := slices.Contains(s.Arms, GRPCMaxAge)
	switch {
	case ages && s.Fleet.MaxConnectionAge == 0:
		d.failf(at, "the arm %q needs fleet.max_connection_age: add it", GRPCMaxAge)
	case !ages && s.Fleet.MaxConnectionAge > 0:
		d.failf(at, "fleet.max_connection_age is for the arm %q, which does not take part: add the arm or remove the field", GRPCMaxAge)
	}
	if s.Contract.Text != "" && len(s.Arms) > 0 && !slices.Contains(s.Arms, Surefoot) {
		d.failf(at, "contract is for the arm %q, which does not take part: add the arm or remove the field", Surefoot)
	}
	if s.DNS.VirtualIP && s.DNS.Refusing+s.DNS.Silent > 0 {
		d.failf(at, "dns.virtual_ip lists one address, and dns.refusing and dns.silent list more: remove one of them")
	}
	if s.Load.Cold && s.Load.Warmup > 0 {
		d.failf(at, "load.cold counts the first calls, and load.warmup, 1s unless it is set, does not: set load.warmup to 0s")
	}
	if s.Fleet.Servers > 0 && len(s.Joining()) == s.Fleet.Servers {
		d.failf(at, "every server joins later: clients need one to start with")
	}
}

func (d *decoder) expectation(n ast.Node, s *Scenario) {
	var e Expectation
	d.mapping(n, "an expectation",
		must("arm", func(n ast.Node) {
			choice(d, &e.Arm, "the arm", Arms())(n)
			if e.Arm != "" && len(s.Arms) > 0 && !slices.Contains(s.Arms, e.Arm) {
				d.failf(n.GetToken(), "the arm %q does not take part: add it to arms or remove the expectation", e.Arm)
			}
		}),
		must("text", d.text(&e.Text, "text")),
		must("metric", choice(d, &e.Metric, "the metric", Metrics())),
		must("want", func(n ast.Node) {
			var text string
			before := len(d.errors)
			if d.text(&text, "want")(n); len(d.errors) > before {
				return
			}
			bound, err := ParseBound(text)
			if err != nil {
				d.failf(n.GetToken(), `want is no comparison: %v; write "<= 1000"`, err)
				return
			}
			e.Want = bound
		}),
	)
	if missing := s.missing(e.Metric, e.Want); missing != "" {
		d.failf(start(n), "%s %s", e.Metric, missing)
	}
	s.Expect = append(s.Expect, e)
}
