package dns

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A query is what a test server was asked.
type query struct {
	network string
	id      uint16
	q       dnsmessage.Question
	edns    bool
	from    net.Addr
}

// A handler returns the messages to send back, in order; none is silence.
type handler func(query) [][]byte

// A server is a DNS server on a loopback port of its own, UDP and TCP.
type server struct {
	addr string
	mu   sync.Mutex
	log  []query
}

func serve(t *testing.T, h handler) *server {
	t.Helper()
	var udp net.PacketConn
	var tcp net.Listener
	var err error
	for range 20 { // until a port is free for both
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			break
		}
		udp.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: udp.LocalAddr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	t.Cleanup(func() {
		udp.Close()
		tcp.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, msg := range s.handle(h, "udp", buf[:n], from) {
				_, _ = udp.WriteTo(msg, from)
			}
		}
	})
	wg.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				for {
					var length [2]byte
					if _, err := io.ReadFull(conn, length[:]); err != nil {
						return
					}
					buf := make([]byte, binary.BigEndian.Uint16(length[:]))
					if _, err := io.ReadFull(conn, buf); err != nil {
						return
					}
					for _, msg := range s.handle(h, "tcp", buf, conn.RemoteAddr()) {
						_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
					}
				}
			})
		}
	})
	return s
}

func (s *server) handle(h handler, network string, msg []byte, from net.Addr) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(msg); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := query{network: network, id: m.ID, q: m.Questions[0], edns: len(m.Additionals) == 1, from: from}
	s.mu.Lock()
	s.log = append(s.log, q)
	s.mu.Unlock()
	return h(q)
}

func (s *server) queries() []query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]query(nil), s.log...)
}

// asked returns the names and types in order, without repeats next to each other.
func (s *server) asked(t dnsmessage.Type) []string {
	var out []string
	for _, q := range s.queries() {
		if q.q.Type == t {
			out = append(out, q.q.Name.String())
		}
	}
	return out
}

// A rr is one record in a test's reply.
type rr struct {
	name string
	ttl  uint32
	body dnsmessage.ResourceBody
}

func a(name string, ttl uint32, ip string) rr {
	return rr{name, ttl, &dnsmessage.AResource{A: netip.MustParseAddr(ip).As4()}}
}

func aaaa(name string, ttl uint32, ip string) rr {
	return rr{name, ttl, &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(ip).As16()}}
}

func cname(name string, ttl uint32, to string) rr {
	return rr{name, ttl, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)}}
}

// reply packs a reply to q; edit may change the message first.
func replyTo(q query, code dnsmessage.RCode, edit func(*dnsmessage.Message), records ...rr) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, Response: true, RecursionAvailable: true, RCode: code},
		Questions: []dnsmessage.Question{q.q},
	}
	for _, r := range records {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(r.name), Class: dnsmessage.ClassINET, TTL: r.ttl},
			Body:   r.body,
		})
	}
	if edit != nil {
		edit(&m)
	}
	msg, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return msg
}

// zone answers from records: NXDOMAIN for names it does not have, and whatever
// does not fit a datagram truncated.
func zone(records ...rr) handler {
	return func(q query) [][]byte {
		var answers []rr
		code := dnsmessage.RCodeNameError
		name := q.q.Name.String()
		for _, r := range records {
			if !strings.EqualFold(r.name, name) {
				continue
			}
			code = dnsmessage.RCodeSuccess
			switch body := r.body.(type) {
			case *dnsmessage.CNAMEResource:
				answers = append(answers, r)
				name = body.CNAME.String()
			case *dnsmessage.AResource:
				if q.q.Type == dnsmessage.TypeA {
					answers = append(answers, r)
				}
			case *dnsmessage.AAAAResource:
				if q.q.Type == dnsmessage.TypeAAAA {
					answers = append(answers, r)
				}
			}
		}
		msg := replyTo(q, code, nil, answers...)
		if q.network == "udp" && len(msg) > maxDatagram {
			msg = replyTo(q, code, func(m *dnsmessage.Message) { m.Truncated = true }, answers[:3]...)
		}
		return [][]byte{msg}
	}
}

// A setup is what a test's Resolver sees of the world.
type setup struct {
	conf, hosts string
	servers     map[string]*server // by the address in conf: "10.0.0.1:53"
	noIPv6      bool
	only        *server // Config.Server
	settle      time.Duration
}

func (s setup) resolver(t *testing.T) *Resolver {
	t.Helper()
	dir := t.TempDir()
	c := Config{
		ResolvConf: filepath.Join(dir, "resolv.conf"),
		Hosts:      filepath.Join(dir, "hosts"),
		IPv6:       func() bool { return !s.noIPv6 },
		Settle:     cmp.Or(s.settle, 10*time.Second), // a busy machine is no reason to fail
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if srv := s.servers[address]; srv != nil {
				address = srv.addr
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	if s.only != nil {
		c.Server = s.only.addr
	}
	write(t, c.ResolvConf, s.conf)
	write(t, c.Hosts, s.hosts)
	return New(c)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lookup bounds a look-up, so that a test that goes wrong ends.
func lookup(t *testing.T, r *Resolver, host string) (Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return r.Lookup(ctx, host)
}

func wantKind(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != kind {
		t.Fatalf("got %v, want %v", err, kind)
	}
	return e
}

func texts(addrs []netip.Addr) string {
	s := make([]string, 0, len(addrs))
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return strings.Join(s, " ")
}
