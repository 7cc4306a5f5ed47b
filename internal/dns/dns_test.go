package dns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestBothFamilies(t *testing.T) {
	s := serve(t, zone(
		cname("Svc.Test.", 90, "real.test."), cname("real.test.", 30, "pods.test."),
		a("pods.test.", 60, "10.0.0.1"), a("pods.test.", 40, "10.0.0.2"),
		aaaa("pods.test.", 50, "fd00::1"), a("other.test.", 1, "10.9.9.9")))
	got, err := lookup(t, setup{only: s}.resolver(t), "svc.test")
	if err != nil {
		t.Fatal(err)
	}
	if texts(got.Addrs) != "10.0.0.1 10.0.0.2 fd00::1" || got.TTL != 30*time.Second || got.Name != "svc.test." || got.Server != s.addr || got.NoIPv4 != nil || got.NoIPv6 != nil {
		t.Errorf("got %+v", got)
	}
	for _, q := range s.queries() {
		if !q.edns {
			t.Errorf("%v %v came without EDNS", q.q.Name, q.q.Type)
		}
	}
	if q := s.queries(); len(q) != 2 || q[0].id == q[1].id || q[0].from.String() == q[1].from.String() {
		t.Errorf("queries share an id or a source: %v", q)
	}
}

func TestFailures(t *testing.T) {
	code := func(c dnsmessage.RCode) handler {
		return func(q query) [][]byte { return [][]byte{replyTo(q, c, nil)} }
	}
	for _, c := range []struct {
		name    string
		h       handler
		kind    Kind
		text    string
		queries int
	}{
		{"NXDOMAIN", code(dnsmessage.RCodeNameError), NXDomain, `look up "svc.test." A at 127.0.0.1:`, 2},
		{"empty", code(dnsmessage.RCodeSuccess), NoData, "no addresses", 2},
		{"SERVFAIL is tried again", code(dnsmessage.RCodeServerFailure), ServFail, "SERVFAIL", 4},
		{"REFUSED", code(dnsmessage.RCodeRefused), Refused, "REFUSED", 4},
		{"an unknown code", code(9), ServFail, "response code 9", 4},
		{"FORMERR is tried without EDNS", code(dnsmessage.RCodeFormatError), ServFail, "response code 1", 8},
		{"alias to nothing", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, nil, cname("svc.test.", 9, "gone.test."))}
		}, NoData, "alias of gone.test.", 2},
		{"alias loop", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, nil, cname("svc.test.", 9, "b.test."), cname("b.test.", 9, "SVC.test."))}
		}, Malformed, "leads back to itself", 4},
		{"two aliases of a name", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, nil, cname("svc.test.", 9, "b.test."), cname("svc.test.", 9, "c.test."))}
		}, Malformed, "alias of both", 4},
		{"endless aliases", func(q query) [][]byte {
			rs := append(make([]rr, 0, 41), cname("svc.test.", 9, "0.test."))
			for i := range 40 {
				rs = append(rs, cname(fmt.Sprintf("%d.test.", i), 9, fmt.Sprintf("%d.test.", i+1)))
			}
			return [][]byte{replyTo(q, 0, nil, rs...)}
		}, Malformed, "more than 16 aliases", 4},
		{"addresses that cannot be endpoints", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, nil, a("svc.test.", 9, "0.0.0.0"), a("svc.test.", 9, "224.0.0.1"), a("svc.test.", 9, "255.255.255.255"))}
		}, NoData, "no addresses", 2},
		{"addresses of another name", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, nil, a("evil.test.", 9, "10.0.0.66"))}
		}, NoData, "no addresses", 2},
		{"a referral", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) {
				m.RecursionAvailable = false
				m.Authorities = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("test."), Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.test.")},
				}}
			})}
		}, ServFail, "refers to other servers", 4},
		{"cut off in a record", func(q query) [][]byte {
			msg := replyTo(q, 0, nil, a("svc.test.", 9, "10.0.0.1"))
			return [][]byte{msg[:len(msg)-2]}
		}, Malformed, "", 4},
		{"two questions", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) { m.Questions = append(m.Questions, q.q) })}
		}, Malformed, "more than one question", 4},
		{"truncated over TCP too", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) { m.Truncated = true }, a("svc.test.", 9, "10.0.0.1"))}
		}, Malformed, "truncated, over TCP", 8},
		{"a stranger's reply over TCP", func(q query) [][]byte {
			return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) {
				m.Truncated = q.network == "udp"
				if q.network == "tcp" {
					m.ID++
				}
			}, a("svc.test.", 9, "10.0.0.1"))}
		}, Malformed, "does not answer the question", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.h)
			_, err := lookup(t, setup{only: s}.resolver(t), "svc.test.")
			e := wantKind(t, err, c.kind)
			if e.Server != s.addr || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q, want the server %s and %q", err, s.addr, c.text)
			}
			if got := len(s.queries()); got != c.queries {
				t.Errorf("%d queries, want %d", got, c.queries)
			}
		})
	}
}

// TestForgeries holds that datagrams which do not answer the question are
// ignored, and that the real answer after them counts.
func TestForgeries(t *testing.T) {
	evil := func(q query, edit func(*dnsmessage.Message)) []byte {
		return replyTo(q, 0, edit, a(q.q.Name.String(), 9, "10.6.6.6"))
	}
	forge := func(q query) [][]byte {
		return [][]byte{
			[]byte("garbage"), {}, bytes.Repeat([]byte{0xff}, 600),
			evil(q, func(m *dnsmessage.Message) { m.ID ^= 1 }),
			evil(q, func(m *dnsmessage.Message) { m.Response = false }),
			evil(q, func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.test.") }),
			evil(q, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeTXT }),
			evil(q, func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }),
			evil(q, func(m *dnsmessage.Message) { m.Questions = nil }),
			evil(q, func(m *dnsmessage.Message) { m.OpCode = 4 }),
		}
	}
	t.Run("then the answer", func(t *testing.T) {
		good := zone(a("svc.test.", 5, "10.0.0.1"))
		s := serve(t, func(q query) [][]byte { return append(forge(q), good(q)...) })
		got, err := lookup(t, setup{only: s, noIPv6: true}.resolver(t), "svc.test.")
		if err != nil || texts(got.Addrs) != "10.0.0.1" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("then nothing", func(t *testing.T) {
		s := serve(t, forge)
		r := setup{only: s, noIPv6: true, conf: "options timeout:2 attempts:1"}.resolver(t)
		_, err := lookup(t, r, "svc.test.")
		wantKind(t, err, Timeout)
		if !strings.Contains(err.Error(), "10 datagrams were ignored") {
			t.Errorf("got %q", err)
		}
	})
	t.Run("as many as it takes to guess", func(t *testing.T) {
		good := zone(a("svc.test.", 5, "10.0.0.1"))
		s := serve(t, func(q query) (replies [][]byte) {
			if q.network == "tcp" {
				return good(q)
			}
			for range 20 {
				replies = append(replies, forge(q)...)
			}
			return append(replies, evil(q, func(*dnsmessage.Message) {})) // guessed
		})
		got, err := lookup(t, setup{only: s, noIPv6: true}.resolver(t), "svc.test.")
		if err != nil || texts(got.Addrs) != "10.0.0.1" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// TestLargeAnswer: 5,000 addresses, as many as two messages hold.
func TestLargeAnswer(t *testing.T) {
	records := make([]rr, 0, 5000)
	for i := range 4000 {
		records = append(records, a("svc.test.", 5, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()))
	}
	for i := range 1000 {
		records = append(records, aaaa("svc.test.", 5, netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(i >> 8), 15: byte(i)}).String()))
	}
	s := serve(t, zone(records...))
	got, err := lookup(t, setup{only: s}.resolver(t), "svc.test.")
	if err != nil || len(got.Addrs) != 5000 || got.TTL != 5*time.Second {
		t.Fatalf("%d addresses, TTL %v, %v", len(got.Addrs), got.TTL, err)
	}
	if n := len(s.queries()); n != 4 {
		t.Errorf("%d queries, want 2 over UDP and 2 over TCP", n)
	}
}

// TestOversizedDatagram: a server that sends more than was asked for is asked
// again over TCP.
func TestOversizedDatagram(t *testing.T) {
	s := serve(t, func(q query) [][]byte {
		rs := make([]rr, 0, 200)
		for i := range 200 {
			rs = append(rs, a("svc.test.", 5, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()))
		}
		return [][]byte{replyTo(q, 0, nil, rs...)}
	})
	got, err := lookup(t, setup{only: s, noIPv6: true}.resolver(t), "svc.test.")
	if err != nil || len(got.Addrs) != 200 {
		t.Fatalf("%d addresses, %v", len(got.Addrs), err)
	}
	if q := s.queries(); len(q) != 2 || q[1].network != "tcp" {
		t.Errorf("queries %v", q)
	}
}

func TestWithoutEDNS(t *testing.T) {
	good := zone(a("svc.test.", 5, "10.0.0.1"))
	s := serve(t, func(q query) [][]byte {
		if q.edns {
			return [][]byte{replyTo(q, dnsmessage.RCodeFormatError, nil)}
		}
		return good(q)
	})
	got, err := lookup(t, setup{only: s, noIPv6: true}.resolver(t), "svc.test.")
	if err != nil || texts(got.Addrs) != "10.0.0.1" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestExtendedCode: the bits of RFC 6891 in the OPT record count.
func TestExtendedCode(t *testing.T) {
	s := serve(t, func(q query) [][]byte {
		return [][]byte{replyTo(q, 0, func(m *dnsmessage.Message) {
			var h dnsmessage.ResourceHeader
			if err := h.SetEDNS0(1232, 16, false); err != nil {
				t.Error(err)
			}
			m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
		}, a("svc.test.", 5, "10.0.0.1"))}
	})
	_, err := lookup(t, setup{only: s, noIPv6: true}.resolver(t), "svc.test.")
	if wantKind(t, err, ServFail); !strings.Contains(err.Error(), "response code 16") {
		t.Errorf("got %v", err)
	}
}

// TestFailover: servers are asked in order, a silent, a broken or an absent one
// is passed over, and a silent one is asked last afterwards.
func TestFailover(t *testing.T) {
	silent := serve(t, func(query) [][]byte { return nil })
	broken := serve(t, func(q query) [][]byte { return [][]byte{replyTo(q, dnsmessage.RCodeServerFailure, nil)} })
	good := serve(t, zone(a("svc.test.", 5, "10.0.0.1")))
	r := setup{
		conf:    "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions timeout:2\n",
		servers: map[string]*server{"10.0.0.1:53": silent, "10.0.0.2:53": broken, "10.0.0.3:53": good},
		noIPv6:  true,
	}.resolver(t)
	for range 2 {
		got, err := lookup(t, r, "svc.test.")
		if err != nil || texts(got.Addrs) != "10.0.0.1" || got.Server != "10.0.0.3:53" {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if s, b, g := len(silent.queries()), len(broken.queries()), len(good.queries()); s != 1 || b != 2 || g != 2 {
		t.Errorf("queries: silent %d, broken %d, good %d; want 1, 2, 2", s, b, g)
	}
}

func TestNobodyThere(t *testing.T) {
	gone := serveNothing(t)
	r := New(Config{Server: gone, ResolvConf: "/nonexistent", IPv6: func() bool { return true }})
	_, err := lookup(t, r, "svc.test.")
	if e := wantKind(t, err, Network); e.Server != gone {
		t.Errorf("got %v", err)
	}
}

// serveNothing returns the address of a port on which nobody listens.
func serveNothing(t *testing.T) string {
	t.Helper()
	var addr string
	t.Run("port", func(t *testing.T) { addr = serve(t, nil).addr })
	return addr
}

// TestCancel: a look-up ends soon after its context, and leaves no goroutine.
func TestCancel(t *testing.T) {
	asked := make(chan struct{}, 8)
	s := serve(t, func(query) [][]byte { asked <- struct{}{}; return nil })
	r := setup{only: s, conf: "options timeout:30 attempts:5"}.resolver(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.Lookup(ctx, "svc.test.")
		done <- err
	}()
	<-asked
	cancel()
	err := <-done
	wantKind(t, err, Timeout)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it to say that it was cancelled", err)
	}
}

// TestHalfAnAnswer: one family is enough, and the answer says what is not known
// about the other.
func TestHalfAnAnswer(t *testing.T) {
	good := zone(a("svc.test.", 5, "10.0.0.1"), aaaa("svc.test.", 5, "fd00::1"))
	for _, c := range []struct {
		name   string
		fails  dnsmessage.Type
		how    func(query) [][]byte
		addrs  string
		v4, v6 Kind
		settle time.Duration
	}{
		{"AAAA fails", dnsmessage.TypeAAAA, func(q query) [][]byte { return [][]byte{replyTo(q, dnsmessage.RCodeServerFailure, nil)} }, "10.0.0.1", 0, ServFail, 0},
		{"AAAA is silent", dnsmessage.TypeAAAA, func(query) [][]byte { return nil }, "10.0.0.1", 0, Timeout, defaultSettle},
		{"AAAA denies the name", dnsmessage.TypeAAAA, func(q query) [][]byte { return [][]byte{replyTo(q, dnsmessage.RCodeNameError, nil)} }, "10.0.0.1", 0, NXDomain, 0},
		{"AAAA has none", dnsmessage.TypeAAAA, func(q query) [][]byte { return [][]byte{replyTo(q, 0, nil)} }, "10.0.0.1", 0, 0, 0},
		{"A is silent", dnsmessage.TypeA, func(query) [][]byte { return nil }, "fd00::1", Timeout, 0, defaultSettle},
		{"A has none", dnsmessage.TypeA, func(q query) [][]byte { return [][]byte{replyTo(q, 0, nil)} }, "fd00::1", 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(q query) [][]byte {
				if q.q.Type == c.fails {
					return c.how(q)
				}
				return good(q)
			})
			r := setup{only: s, conf: "options timeout:10", settle: c.settle}.resolver(t)
			start := time.Now()
			got, err := lookup(t, r, "svc.test.")
			if err != nil || texts(got.Addrs) != c.addrs || got.TTL != 5*time.Second {
				t.Fatalf("got %+v, %v", got, err)
			}
			if d := time.Since(start); d > 9*time.Second {
				t.Errorf("it was held for %v", d)
			}
			for _, x := range []struct {
				err  error
				want Kind
			}{{got.NoIPv4, c.v4}, {got.NoIPv6, c.v6}} {
				if x.want == 0 && x.err != nil {
					t.Errorf("got %v, want nothing unknown", x.err)
				} else if x.want != 0 {
					wantKind(t, x.err, x.want)
				}
			}
		})
	}
}

func TestNoIPv6Here(t *testing.T) {
	s := serve(t, zone(a("svc.test.", 5, "10.0.0.1"), aaaa("svc.test.", 5, "fd00::1")))
	got, err := lookup(t, setup{only: s, noIPv6: true}.resolver(t), "svc.test.")
	if err != nil || texts(got.Addrs) != "10.0.0.1" || len(s.asked(dnsmessage.TypeAAAA)) != 0 || got.NoIPv6 != nil {
		t.Errorf("got %+v, %v; AAAA asked for %v", got, err, s.asked(dnsmessage.TypeAAAA))
	}
}

func TestJoinPrefersWhatSaysMore(t *testing.T) {
	for _, c := range []struct{ a, b, want Kind }{
		{NXDomain, NXDomain, NXDomain},
		{NXDomain, NoData, NoData},
		{NoData, NXDomain, NoData},
		{NXDomain, ServFail, ServFail},
		{Timeout, NoData, Timeout},
		{Refused, Timeout, Refused},
	} {
		_, err := join("x.", half{err: &Error{Kind: c.a}}, half{err: &Error{Kind: c.b}})
		wantKind(t, err, c.want)
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Kind: Timeout, Name: "svc.test.", Type: "A", Server: "10.0.0.53:53", Detail: "d", Err: context.DeadlineExceeded}
	const want = `dns: look up "svc.test." A at 10.0.0.53:53: timeout: d: context deadline exceeded`
	if e.Error() != want || !errors.Is(e, context.DeadlineExceeded) || !e.Timeout() {
		t.Errorf("got %q", e)
	}
	if s := Kind(99).String(); s != "Kind(99)" {
		t.Errorf("got %q", s)
	}
}

// BenchmarkReply reads replies with as many addresses as a large fleet has.
func BenchmarkReply(b *testing.B) {
	four, six := make([]rr, 0, 4000), make([]rr, 0, 1000)
	for i := range 4000 {
		four = append(four, a("svc.test.", 5, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()))
	}
	for i := range 1000 {
		six = append(six, aaaa("svc.test.", 5, netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(i >> 8), 15: byte(i)}).String()))
	}
	for name, records := range map[string][]rr{"A": four, "AAAA": six} {
		b.Run(name, func(b *testing.B) {
			typ := dnsmessage.TypeA
			if name == "AAAA" {
				typ = dnsmessage.TypeAAAA
			}
			q := query{id: 7, q: dnsmessage.Question{Name: dnsmessage.MustNewName("svc.test."), Type: typ, Class: dnsmessage.ClassINET}}
			msg := replyTo(q, 0, nil, records...)
			b.ReportAllocs()
			for b.Loop() {
				if r, err := parseReply(msg, 7, q.q); err != nil || len(r.addrs) != len(records) {
					b.Fatal(err)
				}
			}
		})
	}
}
