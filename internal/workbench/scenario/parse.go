package scenario

import (
	"math"
	"path/filepath"
	"regexp"
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
	// A server that works on more calls at a time than this is not limited by it.
	maxConcurrency = 1000
	// Each write is remembered by the server that applied it.
	maxWrites = 100_000
)

// MaxLayers is how many services may stand behind each other.
const MaxLayers = 5

// Parse reads a scenario. file names it in errors, and its base name without
// .yaml is the scenario's name. A failure is of type Errors and holds all
// mistakes that were found.
func Parse(file string, text []byte) (*Scenario, error) {
	d := &decoder{file: file, source: strings.Split(string(text), "\n")}
	s := &Scenario{
		Name: strings.TrimSuffix(filepath.Base(file), ".yaml"),
		DNS:  DNS{TTL: 5 * time.Second},
		Load: Load{
			Warmup: time.Second, Deadline: 2 * time.Second, BadAfter: 250 * time.Millisecond,
			AttemptTimeout: 250 * time.Millisecond, OwnTimeout: 2 * time.Second,
		},
		Fleet: Fleet{Layers: 1},
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
		may("contract", d.contract(&s.Contract)),
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
	for i, arm := range s.Arms {
		if arm.Client == Surefoot && arm.Contract.Text == "" {
			s.Arms[i].Contract = s.Contract
		}
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
		may("concurrency", d.count(&f.Concurrency, "fleet.concurrency", 1, maxConcurrency)),
		may("slow_percent", d.count(&f.SlowPercent, "fleet.slow_percent", 1, 100)),
		may("slow_work", d.duration(&f.SlowWork, "fleet.slow_work", 0, time.Minute)),
		may("layers", d.count(&f.Layers, "fleet.layers", 1, MaxLayers)),
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
		may("writes", d.count(&l.Writes, "load.writes", 1, 100)),
		may("watch", d.duration(&l.Watch, "load.watch", time.Millisecond, time.Minute)),
		may("lease", d.duration(&l.Lease, "load.lease", 100*time.Millisecond, time.Minute)),
		may("own_timeout", d.duration(&l.OwnTimeout, "load.own_timeout", time.Millisecond, time.Minute)),
		may("attempt_timeout", d.duration(&l.AttemptTimeout, "load.attempt_timeout", time.Millisecond, time.Minute)),
	)
}

func (d *decoder) expectation(n ast.Node, s *Scenario) {
	var e Expectation
	d.mapping(n, "an expectation",
		must("arm", func(n ast.Node) { d.oneOfArms(&e.Arm, n, s) }),
		may("beside", func(n ast.Node) {
			if d.oneOfArms(&e.Beside, n, s); e.Beside != "" && e.Beside == e.Arm {
				d.failf(n.GetToken(), "beside is the arm itself: name another one")
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
