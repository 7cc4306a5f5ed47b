package dns

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzReply holds, for any bytes as a reply to A and to AAAA: it is never taken
// for a reply to another id or question, and what is read from it equals what
// a naive reading of the unpacked message gives.
func FuzzReply(f *testing.F) {
	name := dnsmessage.MustNewName("svc.test.")
	for _, typ := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		q := query{id: 7, q: dnsmessage.Question{Name: name, Type: typ, Class: dnsmessage.ClassINET}}
		f.Add(replyTo(q, 0, nil, a("svc.test.", 5, "10.0.0.1"), a("SVC.test.", 3, "10.0.0.2")))
		f.Add(replyTo(q, 0, nil, cname("svc.test.", 1<<31, "b.test."), aaaa("b.test.", 5, "fd00::1"), a("b.test.", 5, "10.0.0.1")))
		f.Add(replyTo(q, 0, nil, cname("svc.test.", 9, "b.test."), cname("b.test.", 9, "svc.test.")))
		f.Add(replyTo(q, 3, nil))
		f.Add(replyTo(q, 0, func(m *dnsmessage.Message) { m.Truncated = true }))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, typ := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
			q := dnsmessage.Question{Name: name, Type: typ, Class: dnsmessage.ClassINET}
			if _, err := parseReply(msg, 8, q); !errors.Is(err, errNotOurs) && len(msg) > 1 && msg[1] == 7 {
				t.Fatalf("a reply to id 7 was taken for one to id 8: %v", err)
			}
			r, err := parseReply(msg, 7, q)
			if err != nil {
				if len(r.addrs) > 0 {
					t.Fatalf("addresses %v beside the error %v", r.addrs, err)
				}
				continue
			}
			if r.truncated || r.code != dnsmessage.RCodeSuccess {
				if len(r.addrs) > 0 {
					t.Fatalf("addresses from a reply that has none: %+v", r)
				}
				continue
			}
			var m dnsmessage.Message
			if m.Unpack(msg) != nil {
				continue // a record that is not ours to read is broken
			}
			addrs, ttl := naive(m, typ, strings.ToLower(name.String()))
			if !slices.Equal(r.addrs, addrs) || r.ttl != ttl {
				t.Fatalf("got %v for %v, want %v for %v", r.addrs, r.ttl, addrs, ttl)
			}
		}
	})
}

// naive reads the addresses of name out of m, which has no loop of aliases.
func naive(m dnsmessage.Message, typ dnsmessage.Type, name string) ([]netip.Addr, time.Duration) {
	ttl := uint32(maxTTL / time.Second)
	note := func(t uint32) {
		if t >= 1<<31 {
			t = 0
		}
		ttl = min(ttl, t)
	}
	for {
		var addrs []netip.Addr
		found := false
		for _, r := range m.Answers {
			if r.Header.Class != dnsmessage.ClassINET || !strings.EqualFold(r.Header.Name.String(), name) || r.Header.Type != typ {
				continue
			}
			found = true
			var addr netip.Addr
			switch b := r.Body.(type) {
			case *dnsmessage.AResource:
				addr = netip.AddrFrom4(b.A)
			case *dnsmessage.AAAAResource:
				addr = netip.AddrFrom16(b.AAAA)
			}
			if usable(addr) {
				addrs = append(addrs, addr)
				note(r.Header.TTL)
			}
		}
		if found {
			if addrs == nil {
				return nil, 0
			}
			return addrs, time.Duration(ttl) * time.Second
		}
		next := ""
		var nextTTL uint32
		for _, r := range m.Answers { // of the same alias twice, the last counts
			if c, ok := r.Body.(*dnsmessage.CNAMEResource); ok && r.Header.Class == dnsmessage.ClassINET && strings.EqualFold(r.Header.Name.String(), name) {
				next, nextTTL = strings.ToLower(c.CNAME.String()), r.Header.TTL
			}
		}
		if next == "" {
			return nil, 0
		}
		note(nextTTL)
		name = next
	}
}
