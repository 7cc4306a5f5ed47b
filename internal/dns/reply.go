package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxAliases bounds a chain of CNAME records. BIND follows 16.
const maxAliases = 16

// maxTTL bounds the TTL of a record: RFC 2181 §8 lets a cache cap it, and has a
// TTL with the top bit set count as zero.
const maxTTL = 7 * 24 * time.Hour

// A reply is what a server said to one question.
type reply struct {
	truncated bool
	code      dnsmessage.RCode // with the extended bits of RFC 6891 §6.1.3
	lame      bool             // a referral, which a recursive server never sends
	addrs     []netip.Addr
	services  []service     // of a question for SRV
	extra     additional    // what such a reply says of targets
	ttl       time.Duration // the shortest of the records used; 0 without any
	alias     string        // where the chain of aliases ends, "" without one
}

// errNotOurs is why a datagram is ignored: it does not answer our question.
var errNotOurs = errors.New("it does not answer the question that was asked")

// parseReply reads the answer to question q with the given id. The error is
// errNotOurs if msg is not a reply to that, and says what is wrong with msg if
// it is. Only records that the question leads to are used.
func parseReply(msg []byte, id uint16, q dnsmessage.Question) (reply, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != id || !h.Response || h.OpCode != 0 {
		return reply{}, errNotOurs
	}
	got, err := p.Question()
	if err != nil {
		// RFC 1035 §4.1.2 wants the question back. Servers that fail before they
		// have read it send none, and that must not be trusted over UDP, but for
		// one thing that does no harm: to ask again without EDNS (RFC 6891 §7).
		if errors.Is(err, dnsmessage.ErrSectionDone) && (h.RCode == dnsmessage.RCodeFormatError || h.RCode == dnsmessage.RCodeNotImplemented) {
			return reply{code: h.RCode}, nil
		}
		return reply{}, errNotOurs
	}
	if got.Type != q.Type || got.Class != q.Class || !equalName(got.Name, q.Name) {
		return reply{}, errNotOurs
	}
	r := reply{truncated: h.Truncated, code: h.RCode}
	if r.truncated {
		// Nothing in it is worth reading (RFC 2181 §9), and it may be cut anywhere.
		return r, nil
	}
	if _, err := p.Question(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return reply{}, errors.New("it has more than one question")
	}
	records, err := readAnswers(&p, q.Type)
	if err != nil {
		return reply{}, err
	}
	refers, err := readAuthorities(&p)
	if err != nil {
		return reply{}, err
	}
	if r.code, r.extra, err = readAdditionals(&p, h.RCode, q.Type == dnsmessage.TypeSRV); err != nil {
		return reply{}, err
	}
	if r.code != dnsmessage.RCodeSuccess {
		return r, nil
	}
	r.lame = refers && !records.any && !h.Authoritative && !h.RecursionAvailable
	if err := records.follow(&r, q.Name); err != nil {
		return reply{}, err
	}
	return r, nil
}

// Answers are the records of an answer section that can matter, by owner.
type answers struct {
	any     bool
	aliases map[string]alias
	addrs   map[string][]record

	services map[string][]service
}

type alias struct {
	target dnsmessage.Name
	ttl    uint32
}

type record struct {
	addr netip.Addr
	ttl  uint32
}

// readAnswers reads the answer section. Their number is bounded by the length
// of a message: 65,535 bytes hold 5,957 records of the smallest kind.
func readAnswers(p *dnsmessage.Parser, want dnsmessage.Type) (answers, error) {
	a := answers{aliases: map[string]alias{}, addrs: map[string][]record{}, services: map[string][]service{}}
	for {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		a.any = true
		owner := key(h.Name)
		switch {
		case h.Class != dnsmessage.ClassINET:
			err = p.SkipAnswer()
		case h.Type == dnsmessage.TypeCNAME:
			var r dnsmessage.CNAMEResource
			if r, err = p.CNAMEResource(); err == nil {
				if old, ok := a.aliases[owner]; ok && !equalName(old.target, r.CNAME) {
					return a, fmt.Errorf("%s is an alias of both %s and %s", h.Name, old.target, r.CNAME)
				}
				a.aliases[owner] = alias{r.CNAME, h.TTL}
			}
		case h.Type == want && want == dnsmessage.TypeA:
			var r dnsmessage.AResource
			if r, err = p.AResource(); err == nil {
				a.addrs[owner] = append(a.addrs[owner], record{netip.AddrFrom4(r.A), h.TTL})
			}
		case h.Type == want && want == dnsmessage.TypeAAAA:
			var r dnsmessage.AAAAResource
			if r, err = p.AAAAResource(); err == nil {
				a.addrs[owner] = append(a.addrs[owner], record{netip.AddrFrom16(r.AAAA), h.TTL})
			}
		case h.Type == want && want == dnsmessage.TypeSRV:
			var r dnsmessage.SRVResource
			if r, err = p.SRVResource(); err == nil {
				a.services[owner] = append(a.services[owner], service{r, h.TTL})
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return a, err
		}
	}
}

// follow reads the records of name, through its aliases, into r.
func (a answers) follow(r *reply, name dnsmessage.Name) error {
	ttl := maxTTL
	seen := map[string]bool{}
	for owner := key(name); ; owner = key(name) {
		if services, ok := a.services[owner]; ok {
			r.services = services
			for _, s := range services {
				ttl = min(ttl, seconds(s.ttl))
			}
			r.ttl = ttl
			return nil
		}
		if records, ok := a.addrs[owner]; ok {
			for _, rec := range records {
				if !usable(rec.addr) {
					continue
				}
				r.addrs = append(r.addrs, rec.addr)
				ttl = min(ttl, seconds(rec.ttl))
			}
			if len(r.addrs) > 0 {
				r.ttl = ttl
			}
			return nil
		}
		next, ok := a.aliases[owner]
		if !ok {
			return nil
		}
		seen[owner] = true
		if seen[key(next.target)] {
			return fmt.Errorf("the alias %s leads back to itself", next.target)
		}
		if len(seen) > maxAliases {
			return fmt.Errorf("it has more than %d aliases in a row", maxAliases)
		}
		ttl = min(ttl, seconds(next.ttl))
		name = next.target
		r.alias = name.String()
	}
}

// usable reports whether addr can be an endpoint. Blocking servers answer
// 0.0.0.0, which would connect to this very host.
func usable(addr netip.Addr) bool {
	return !addr.Unmap().IsUnspecified() && !addr.IsMulticast() && addr != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return min(time.Duration(ttl)*time.Second, maxTTL)
}

// readAuthorities reads the authority section and reports whether it refers to
// other servers: it names them, and no SOA record says that there is no data
// (RFC 2308 §2.2).
func readAuthorities(p *dnsmessage.Parser) (refers bool, err error) {
	denies := false
	for {
		h, err := p.AuthorityHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return refers && !denies, nil
		}
		if err != nil {
			return false, err
		}
		refers = refers || h.Type == dnsmessage.TypeNS
		denies = denies || h.Type == dnsmessage.TypeSOA
		if err := p.SkipAuthority(); err != nil {
			return false, err
		}
	}
}

// readAdditionals returns the response code with the bits that an OPT record in
// the additional section adds and, if they are wanted, the addresses in it.
func readAdditionals(p *dnsmessage.Parser, code dnsmessage.RCode, wanted bool) (dnsmessage.RCode, additional, error) {
	var extra additional
	for {
		h, err := p.AdditionalHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return code, extra, nil
		}
		if err != nil {
			return 0, nil, err
		}
		switch {
		case h.Type == dnsmessage.TypeOPT:
			code = h.ExtendedRCode(code)
			if !wanted {
				return code, nil, nil
			}
			err = p.SkipAdditional()
		case wanted && h.Class == dnsmessage.ClassINET && (h.Type == dnsmessage.TypeA || h.Type == dnsmessage.TypeAAAA):
			extra, err = extra.read(p, h)
		default:
			err = p.SkipAdditional()
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// Names compare without regard to the case of ASCII letters (RFC 4343).
func key(n dnsmessage.Name) string { return lowerASCII(n.Data[:n.Length]) }

func lowerASCII(b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.WriteByte(c)
	}
	return s.String()
}

func equalName(a, b dnsmessage.Name) bool { return a.Length == b.Length && key(a) == key(b) }
