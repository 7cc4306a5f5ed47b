// Package dns looks up the addresses of a name and says how long they hold,
// which package net does not: a stub resolver (RFC 1034 §5.3.1) that asks the
// servers of resolv.conf(5), or one that it is told.
//
// A and AAAA are asked for in parallel, with EDNS(0) over UDP and over TCP when
// the reply does not fit. A reply counts only if it comes from the server that
// was asked, with the id and the question that were sent; anything else is
// ignored. Aliases are followed within a reply. [Resolver.LookupService] asks for
// SRV records (RFC 2782) and the addresses of their targets. What it does not
// do: it caches nothing, validates no DNSSEC, knows no mDNS and reads no nsswitch.conf:
// the hosts file comes before DNS.
package dns

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Config says where a Resolver looks. The zero Config is the host's own.
type Config struct {
	// Server is "host:port", the one server to ask. With it the hosts file is
	// not read; the search list of resolv.conf applies still. Empty is the
	// servers of resolv.conf.
	Server string
	// ResolvConf and Hosts are paths. Empty is /etc/resolv.conf, /etc/hosts.
	ResolvConf, Hosts string
	// IPv6 reports whether this host can use IPv6 addresses; AAAA is not asked
	// for if it cannot. Nil looks at the host's interfaces, at each look-up:
	// IPv6 is of use with an address other than loopback and link-local ones.
	IPv6 func() bool
	// Rand gives the ids of queries. Nil is crypto/rand. It must be safe for use
	// from many goroutines.
	Rand io.Reader
	// Dial connects to a server, network being "udp" or "tcp". Nil is a
	// net.Dialer. Reads on what it returns must end when the deadline passes.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Settle is how long an answer of one family waits for the other. Zero is
	// 250 ms. RFC 8305 §3 waits 50 ms for an address to dial; here it decides
	// what a look-up knows for a whole TTL, and is paid only by a name one of
	// whose families gets no reply.
	Settle time.Duration
}

// defaultSettle is the Settle of a Config that has none.
const defaultSettle = 250 * time.Millisecond

// literalTTL is how long an address that is its own name holds.
const literalTTL = 24 * time.Hour

// A Resolver looks names up. Make one with [New]. It may be used from any
// goroutine and holds nothing that must be closed.
type Resolver struct {
	server   string
	conf     *file[conf]
	hosts    *file[hosts]
	ipv6     func() bool
	exchange exchanger
	avoid    avoidance
	settle   time.Duration
}

// New returns a Resolver. It reads no file until the first look-up.
func New(c Config) *Resolver {
	r := &Resolver{
		server:   c.Server,
		conf:     confFile(cmp.Or(c.ResolvConf, "/etc/resolv.conf")),
		hosts:    hostsFile(cmp.Or(c.Hosts, "/etc/hosts")),
		ipv6:     c.IPv6,
		exchange: exchanger{dial: c.Dial, rand: c.Rand},
		settle:   cmp.Or(c.Settle, defaultSettle),
	}
	if r.ipv6 == nil {
		r.ipv6 = hostHasIPv6
	}
	if r.exchange.dial == nil {
		r.exchange.dial = new(net.Dialer).DialContext
	}
	if r.exchange.rand == nil {
		r.exchange.rand = rand.Reader
	}
	return r
}

// An Answer is what a look-up brought: at least one address.
type Answer struct {
	// Addrs are the addresses, IPv4 before IPv6, in the server's order.
	Addrs []netip.Addr
	// TTL is the shortest TTL of the records that led to Addrs, aliases included.
	TTL time.Duration
	// Name is the rooted name that had them: with a search list, which of its
	// names.
	Name string
	// Rank is the place of Name in the search list, 0 for the first that was
	// asked for: the names before it have no answer.
	Rank int
	// Server is who answered; "" if it took no server.
	Server string
	// NoIPv4 and NoIPv6 are why nothing is known about the A or the AAAA records,
	// though they were asked for: addresses of that family may exist. Nil means
	// that Addrs has all there are.
	NoIPv4, NoIPv6 error
	// Skipped is why a name that comes earlier in the search list than Name got
	// no answer, when it was not denied: Name may not be what was meant. Nil is
	// the normal case.
	Skipped error
}

// Lookup returns the addresses of host, which is a name, with or without the
// dot at its end, or an address. The error is an [*Error]. It returns soon
// after ctx ends.
//
// One family is enough: when one has addresses the other is waited for a
// moment ([Config.Settle]) and no longer. [Answer.NoIPv6] then says that its silence
// means nothing, so that a lost datagram makes no endpoint leave.
func (r *Resolver) Lookup(ctx context.Context, host string) (Answer, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return Answer{Addrs: []netip.Addr{addr}, TTL: literalTTL, Name: host}, nil
	}
	if why := checkName(host); why != "" {
		return Answer{}, &Error{Kind: BadName, Name: host, Detail: why}
	}
	if a, ok := r.local(host); ok {
		return a, nil
	}
	c := r.config()
	a, rank, skipped, err := search(ctx, c.candidates(host), func(name string) (Answer, error) {
		return r.lookupName(ctx, c, name)
	})
	if err != nil {
		return Answer{}, err
	}
	a.Rank, a.Skipped = rank, skipped
	return a, nil
}

// config returns what resolv.conf says now, with the one server of ours if
// there is one.
func (r *Resolver) config() conf {
	c := r.conf.get()
	if r.server != "" {
		c.servers = []string{r.server}
	}
	return c
}

// search asks for names in order until one has an answer, and returns which of
// them that was. Skipped is the first
// failure before that which was not a denial. The error is an *Error.
func search[T any](ctx context.Context, names []string, ask func(name string) (T, error)) (answer T, rank int, skipped, err error) {
	var none T
	var first, failure *Error
	for rank, name := range names {
		a, err := ask(name)
		if err == nil {
			if first != nil {
				skipped = first
			}
			return a, rank, skipped, nil
		}
		e := asError(err)
		switch {
		case ctx.Err() != nil:
			return none, 0, nil, e
		case !e.Kind.final():
			first = cmp.Or(first, e)
		case failure == nil || failure.Kind == NXDomain:
			failure = e // of those that deny, "exists without addresses" says more
		}
	}
	return none, 0, nil, cmp.Or(first, failure)
}

// local answers what needs no server.
func (r *Resolver) local(host string) (Answer, bool) {
	var addrs []netip.Addr
	if r.server == "" {
		addrs = r.hosts.get()[hostsKey(host)]
	}
	if len(addrs) == 0 && isLocalhost(host) {
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	if len(addrs) == 0 {
		return Answer{}, false
	}
	a := Answer{TTL: hostsTTL, Name: rooted(host)}
	for _, v4 := range []bool{true, false} {
		for _, addr := range addrs {
			if addr.Is4() == v4 {
				a.Addrs = append(a.Addrs, addr)
			}
		}
	}
	return a, true
}

// hostHasIPv6 reports whether an interface has an IPv6 address with which
// others can be reached.
func hostHasIPv6() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // then ask, rather than miss endpoints
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(strings.ToLower(a.String()))
		if err != nil {
			continue
		}
		if ip := prefix.Addr(); ip.Is6() && !ip.Is4In6() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
