package dns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func srv(name string, ttl uint32, priority, weight, port uint16, target string) rr {
	return rr{name, ttl, &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}}
}

// serviceZone answers SRV from services, with extra in the additional section,
// and all other questions from hosts.
func serviceZone(services, extra, hosts []rr) handler {
	rest := zone(hosts...)
	return func(q query) [][]byte {
		if q.q.Type != dnsmessage.TypeSRV {
			return rest(q)
		}
		var answers []rr
		name := q.q.Name.String()
		for _, r := range services {
			if strings.EqualFold(r.name, name) {
				answers = append(answers, r)
				if c, ok := r.body.(*dnsmessage.CNAMEResource); ok {
					name = c.CNAME.String()
				}
			}
		}
		if answers == nil {
			return [][]byte{replyTo(q, dnsmessage.RCodeNameError, nil)}
		}
		return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) {
			for _, r := range extra {
				m.Additionals = append(m.Additionals, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(r.name), Class: dnsmessage.ClassINET, TTL: r.ttl},
					Body:   r.body,
				})
			}
		}, answers...)}
	}
}

func lookupService(t *testing.T, r *Resolver, host string) (Services, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return r.LookupService(ctx, host)
}

// describe writes services as "host:port/weight=addrs".
func describe(s Services) string {
	out := make([]string, 0, len(s.Targets))
	for _, t := range s.Targets {
		out = append(out, fmt.Sprintf("%s:%d/%d=%s", t.Host, t.Port, t.Weight, texts(t.Addrs)))
	}
	return strings.Join(out, ", ")
}

const grpcTest = "_grpc._tcp.svc.test."

func TestServices(t *testing.T) {
	for _, c := range []struct {
		name                   string
		services, extra, hosts []rr
		want                   string
		priority               uint16
		ttl                    time.Duration
		asked                  []string // for A
		noIPv6                 bool
	}{
		{
			name:     "addresses come along",
			services: []rr{srv(grpcTest, 60, 10, 5, 8080, "A.test."), srv(grpcTest, 60, 10, 7, 8081, "b.test.")},
			extra:    []rr{a("a.TEST.", 30, "10.0.0.1"), aaaa("a.test.", 20, "fd00::1"), a("b.test.", 40, "10.0.0.2"), a("other.test.", 1, "10.6.6.6")},
			want:     "a.test.:8080/5=10.0.0.1 fd00::1, b.test.:8081/7=10.0.0.2", priority: 10, ttl: 20 * time.Second,
		},
		{
			name:     "addresses are asked for",
			services: []rr{srv(grpcTest, 60, 0, 0, 80, "a.test."), srv(grpcTest, 60, 0, 0, 81, "a.test."), srv(grpcTest, 60, 0, 0, 80, "b.test.")},
			extra:    []rr{a("b.test.", 40, "10.0.0.2")},
			hosts:    []rr{cname("a.test.", 15, "real.test."), a("real.test.", 30, "10.0.0.1"), aaaa("real.test.", 30, "fd00::1")},
			want:     "a.test.:80/0=10.0.0.1 fd00::1, a.test.:81/0=10.0.0.1 fd00::1, b.test.:80/0=10.0.0.2", ttl: 15 * time.Second,
			asked: []string{"a.test."},
		},
		{
			name:     "without IPv6 here",
			services: []rr{srv(grpcTest, 60, 0, 0, 80, "a.test."), srv(grpcTest, 60, 0, 0, 80, "b.test.")},
			extra:    []rr{a("a.test.", 40, "10.0.0.1"), aaaa("a.test.", 1, "fd00::1"), aaaa("b.test.", 1, "fd00::2")},
			hosts:    []rr{a("b.test.", 50, "10.0.0.2")},
			want:     "a.test.:80/0=10.0.0.1, b.test.:80/0=10.0.0.2", ttl: 40 * time.Second, asked: []string{"b.test."}, noIPv6: true,
		},
		{
			name: "the lowest priority with an address",
			services: []rr{
				srv(grpcTest, 60, 30, 0, 80, "c.test."), srv(grpcTest, 60, 20, 0, 80, "b.test."), srv(grpcTest, 60, 20, 9, 80, "gone.test."),
				srv(grpcTest, 60, 10, 0, 80, "gone.test."), srv(grpcTest, 60, 10, 0, 0, "c.test."),
			},
			hosts: []rr{a("b.test.", 50, "10.0.0.2"), a("c.test.", 50, "10.0.0.3")},
			want:  "b.test.:80/0=10.0.0.2", priority: 20, ttl: 50 * time.Second, asked: []string{"b.test.", "gone.test."},
		},
		{
			name:     "an alias of the service",
			services: []rr{cname(grpcTest, 7, "_grpc._tcp.real.test."), srv("_grpc._tcp.real.test.", 60, 0, 1, 80, "a.test.")},
			extra:    []rr{a("a.test.", 30, "10.0.0.1")},
			want:     "a.test.:80/1=10.0.0.1", ttl: 7 * time.Second,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, serviceZone(c.services, c.extra, c.hosts))
			got, err := lookupService(t, setup{only: s, noIPv6: c.noIPv6}.resolver(t), grpcTest)
			if err != nil {
				t.Fatal(err)
			}
			if describe(got) != c.want || got.TTL != c.ttl || got.Priority != c.priority || got.Name != grpcTest || got.Server != s.addr || got.Skipped != nil {
				t.Errorf("got %s: %+v", describe(got), got)
			}
			asked := s.asked(dnsmessage.TypeA)
			slices.Sort(asked)
			if asked = slices.Compact(asked); !slices.Equal(asked, c.asked) {
				t.Errorf("asked for the addresses of %q, want %q", asked, c.asked)
			}
		})
	}
}

// TestSilentTargets: what is not known about a target is said and not taken for
// an answer without it.
func TestSilentTargets(t *testing.T) {
	rest := serviceZone([]rr{
		srv(grpcTest, 60, 0, 1, 80, "a.test."), srv(grpcTest, 60, 0, 2, 80, "broken.test."), srv(grpcTest, 60, 0, 2, 80, "gone.test."),
		srv(grpcTest, 60, 1, 3, 80, "b.test."),
	}, nil, []rr{a("a.test.", 50, "10.0.0.1"), a("b.test.", 50, "10.0.0.2")})
	broken := map[string]bool{"broken.test.": true}
	s := serve(t, func(q query) [][]byte {
		if broken[q.q.Name.String()] {
			return [][]byte{replyTo(q, dnsmessage.RCodeServerFailure, nil)}
		}
		return rest(q)
	})
	r := setup{only: s, noIPv6: true}.resolver(t)
	got, err := lookupService(t, r, grpcTest)
	if err != nil || describe(got) != "a.test.:80/1=10.0.0.1, broken.test.:80/2=" || got.TTL != incompleteTTL || got.Skipped != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	wantKind(t, got.Targets[1].NoIPv4, ServFail)
	wantKind(t, got.Targets[1].NoIPv6, ServFail)

	all := serve(t, func(q query) [][]byte {
		if n := q.q.Name.String(); n == "a.test." || n == "broken.test." {
			return [][]byte{replyTo(q, dnsmessage.RCodeServerFailure, nil)}
		}
		return rest(q)
	})
	got, err = lookupService(t, setup{only: all, noIPv6: true}.resolver(t), grpcTest)
	if err != nil || describe(got) != "b.test.:80/3=10.0.0.2" || got.Priority != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	wantKind(t, got.Skipped, ServFail)
}

func TestNoServices(t *testing.T) {
	for _, c := range []struct {
		name     string
		services []rr
		edit     func(*dnsmessage.Message)
		host     string
		kind     Kind
		text     string
	}{
		{"NXDOMAIN", nil, nil, grpcTest, NXDomain, `"_grpc._tcp.svc.test." SRV at`},
		{"none is offered", []rr{srv(grpcTest, 60, 0, 0, 0, ".")}, nil, grpcTest, NoData, "there is no such service"},
		{"no target has an address", []rr{srv(grpcTest, 60, 0, 0, 80, "gone.test.")}, nil, grpcTest, NoData, "none of its targets"},
		{"another name's", []rr{srv("evil.test.", 60, 0, 0, 80, "a.test.")}, nil, grpcTest, NXDomain, ""},
		{"a loop of aliases", []rr{cname(grpcTest, 60, "b.test."), cname("b.test.", 60, grpcTest)}, nil, grpcTest, Malformed, "leads back"},
		{"not a name", nil, nil, "_grpc..test", BadName, "empty label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, serviceZone(c.services, nil, nil))
			_, err := lookupService(t, setup{only: s, noIPv6: true}.resolver(t), c.host)
			if wantKind(t, err, c.kind); !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q", err, c.text)
			}
		})
	}
}

// TestForgedServices: the rules of replies hold for SRV, additional section
// included.
func TestForgedServices(t *testing.T) {
	good := serviceZone([]rr{srv(grpcTest, 60, 0, 0, 80, "a.test.")}, []rr{a("a.test.", 60, "10.0.0.1")}, nil)
	evil := func(q query, edit func(*dnsmessage.Message)) []byte {
		return replyTo(q, 0, edit, srv(grpcTest, 60, 0, 0, 66, "evil.test."))
	}
	s := serve(t, func(q query) [][]byte {
		return append([][]byte{
			evil(q, func(m *dnsmessage.Message) { m.ID ^= 1 }),
			evil(q, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeA }),
			evil(q, func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.test.") }),
		}, good(q)...)
	})
	got, err := lookupService(t, setup{only: s, noIPv6: true}.resolver(t), grpcTest)
	if err != nil || describe(got) != "a.test.:80/0=10.0.0.1" {
		t.Errorf("got %s, %v", describe(got), err)
	}
	cut := serve(t, func(q query) [][]byte {
		msg := good(q)[0]
		return [][]byte{msg[:len(msg)-2]}
	})
	_, err = lookupService(t, setup{only: cut, noIPv6: true}.resolver(t), grpcTest)
	wantKind(t, err, Malformed)
}

// TestSearchForServices: the search list applies to services.
func TestSearchForServices(t *testing.T) {
	s := serve(t, serviceZone([]rr{srv("_grpc._tcp.svc.ns.test.", 60, 0, 0, 80, "a.test.")}, []rr{a("a.test.", 60, "10.0.0.1")}, nil))
	got, err := lookupService(t, setup{only: s, conf: "search ns.test\noptions ndots:5"}.resolver(t), "_grpc._tcp.svc")
	if err != nil || got.Name != "_grpc._tcp.svc.ns.test." {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestManyTargets: without an additional section each host is asked for once,
// over TCP where the services do not fit a datagram.
func TestManyTargets(t *testing.T) {
	const n = 300
	services, hosts := make([]rr, 0, n), make([]rr, 0, n)
	for i := range n {
		host := fmt.Sprintf("pod-%d.svc.test.", i)
		services = append(services, srv(grpcTest, 60, 0, 1, 8080, host))
		hosts = append(hosts, a(host, 60, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()))
	}
	rest := serviceZone(services, nil, hosts)
	s := serve(t, func(q query) [][]byte {
		if q.q.Type == dnsmessage.TypeSRV && q.network == "udp" {
			return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) { m.Truncated = true })}
		}
		return rest(q)
	})
	got, err := lookupService(t, setup{only: s, noIPv6: true}.resolver(t), grpcTest)
	if err != nil || len(got.Targets) != n {
		t.Fatalf("%d targets, %v", len(got.Targets), err)
	}
	if q := len(s.queries()); q != n+2 {
		t.Errorf("%d queries, want %d", q, n+2)
	}
}
