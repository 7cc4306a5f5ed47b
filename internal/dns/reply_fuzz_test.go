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

// FuzzReply holds, for any bytes as a reply to A, to AAAA and to SRV: it is never taken
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
		q.q.Type = dnsmessage.TypeSRV
		f.Add(replyTo(q, 0, func(m *dnsmessage.Message) {
			m.Additionals = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("a.test."), Class: dnsmessage.ClassINET, TTL: 9},
				Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}},
			}}
		}, srv("svc.test.", 5, 1, 2, 80, "a.test."), cname("b.test.", 5, "svc.test.")))
		q.q.Type = typ
		f.Add(replyTo(q, 0, func(m *dnsmessage.Message) { m.Truncated = true }))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		checkServices(t, msg, name)
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

// checkServices compares msg, as a reply to SRV, with the unpacked message: as
// many services as it has of one owner, and no address that it does not have.
func checkServices(t *testing.T, msg []byte, name dnsmessage.Name) {
	t.Helper()
	r, err := parseReply(msg, 7, dnsmessage.Question{Name: name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET})
	var m dnsmessage.Message
	if len(r.addrs) > 0 || err != nil && (len(r.services) > 0 || len(r.extra) > 0) {
		t.Fatalf("got %+v, %v", r, err)
	}
	if err != nil || r.truncated || r.code != dnsmessage.RCodeSuccess || m.Unpack(msg) != nil {
		return
	}
	owners := map[string]int{}
	for _, a := range m.Answers {
		if _, ok := a.Body.(*dnsmessage.SRVResource); ok && a.Header.Class == dnsmessage.ClassINET {
			owners[key(a.Header.Name)]++
		}
	}
	owner := key(name)
	if r.alias != "" {
		owner = strings.ToLower(r.alias)
	}
	if len(r.services) != owners[owner] {
		t.Fatalf("got %d services, want %d of %s", len(r.services), owners[owner], owner)
	}
	extra := map[string]int{}
	for _, a := range m.Additionals {
		switch a.Body.(type) {
		case *dnsmessage.AResource, *dnsmessage.AAAAResource:
			if a.Header.Class == dnsmessage.ClassINET {
				extra[key(a.Header.Name)]++
			}
		}
	}
	for host, records := range r.extra {
		if len(records) != extra[host] {
			t.Fatalf("got %d addresses of %s, want %d", len(records), host, extra[host])
		}
	}
}
