package discovery

import (
	"net"
	"net/netip"
	"strconv"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/endpoint"
	"github.com/surefoot-rpc/surefoot/internal/dns"
	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

// found is what a look-up brought, of either kind.
type found struct {
	facts   dnscache.Answer
	server  string
	source  source
	skipped error // why something that goes before source was passed over
}

// A source is which of several possible answers a look-up brought.
type source struct {
	name     string // of the search list
	priority uint16 // of SRV records
	rank     int    // of the name in the list
}

// addresses returns what A and AAAA records say.
func addresses(a dns.Answer) found {
	f := found{
		facts:   dnscache.Answer{TTL: a.TTL, Unanswered: unanswered(a.NoIPv4, a.NoIPv6)},
		server:  a.Server,
		source:  source{name: a.Name, rank: a.Rank},
		skipped: a.Skipped,
	}
	f.facts.Records = make([]dnscache.Record, 0, len(a.Addrs))
	for _, addr := range a.Addrs {
		f.facts.Records = append(f.facts.Records, dnscache.Record{Addr: addr})
	}
	return f
}

// services returns what SRV records say.
func services(s dns.Services) found {
	f := found{
		facts:   dnscache.Answer{TTL: s.TTL},
		server:  s.Server,
		source:  source{name: s.Name, priority: s.Priority, rank: s.Rank},
		skipped: s.Skipped,
	}
	for _, t := range s.Targets {
		if silent := unanswered(t.NoIPv4, t.NoIPv6); silent != 0 {
			if f.facts.UnansweredOf == nil {
				f.facts.UnansweredOf = map[string]dnscache.Families{}
			}
			f.facts.UnansweredOf[t.Host] |= silent
		}
		for _, addr := range t.Addrs {
			f.facts.Records = append(f.facts.Records, dnscache.Record{Addr: addr, Port: t.Port, Weight: t.Weight, Host: t.Host})
		}
	}
	return f
}

func unanswered(noIPv4, noIPv6 error) dnscache.Families {
	var f dnscache.Families
	if noIPv4 != nil {
		f |= dnscache.IPv4
	}
	if noIPv6 != nil {
		f |= dnscache.IPv6
	}
	return f
}

// A server is the records that are one endpoint.
type server struct {
	host string
	port uint16
}

// thisHost is the server of the loopback addresses.
const thisHost = "localhost."

// endpoints returns one endpoint for each record, but one for an IPv4 and an
// IPv6 address that belong to one server, which two things say: they are the
// two addresses of this host, 127.0.0.1 and ::1; or they are all that the target
// of an SRV record has, which names a host (RFC 2782). An A and an AAAA record
// of one name say nothing of the kind. The IPv4 address is tried first.
func endpoints(records []dnscache.Record, port string) []resolver.Endpoint {
	servers := group(records)
	weight := weights(records, servers)
	var last resolver.Endpoint
	out := make([]resolver.Endpoint, 0, len(records))
	backing := make([]resolver.Address, 0, len(records))
	for _, r := range records {
		all := servers[serverOf(r)]
		if all.paired() && r.Addr.Is6() {
			continue // it comes with the IPv4 address
		}
		from := len(backing)
		backing = append(backing, address(r, port))
		if all.paired() {
			backing = append(backing, address(all.six, port))
		}
		e := resolver.Endpoint{Addresses: backing[from:len(backing):len(backing)]}
		switch w := weight(r); w {
		case 0:
		case endpoint.Weight(last): // most often: they share the attributes
			e.Attributes = last.Attributes
		default:
			e = endpoint.WithWeight(e, w)
			last = e
		}
		out = append(out, e)
	}
	return out
}

func address(r dnscache.Record, port string) resolver.Address {
	if r.Port != 0 {
		port = strconv.FormatUint(uint64(r.Port), 10)
	}
	return resolver.Address{Addr: net.JoinHostPort(r.Addr.String(), port)}
}

// members are the records of one server.
type members struct {
	fours, sixes uint32
	six          dnscache.Record
}

func (m members) paired() bool { return m.fours == 1 && m.sixes == 1 }

// split is how many endpoints share the weight of the server.
func (m members) split() uint32 {
	if m.paired() {
		return 1
	}
	return max(1, m.fours+m.sixes)
}

// serverOf returns which server r says that it belongs to; the zero server if
// it says nothing.
func serverOf(r dnscache.Record) server {
	if r.Host == "" && (r.Addr == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || r.Addr == netip.IPv6Loopback()) {
		return server{host: thisHost}
	}
	if r.Host == "" {
		return server{}
	}
	return server{r.Host, r.Port}
}

// group returns the servers that records speak of; nil without any.
func group(records []dnscache.Record) map[server]members {
	var all map[server]members
	for _, r := range records {
		s := serverOf(r)
		if s == (server{}) {
			continue
		}
		if all == nil {
			all = map[server]members{}
		}
		m := all[s]
		if r.Addr.Is4() {
			m.fours++
		} else {
			m.sixes++
			m.six = r
		}
		all[s] = m
	}
	return all
}

// emphasis is how much more than one of weight 0 a server of weight 1 gets:
// RFC 2782 wants "a very small chance" for weight 0 beside others.
const emphasis = 100

// weights returns what gives the weight of an endpoint, 0 for none said. If
// all are 0 there is "no server selection to do" (RFC 2782) and none is said.
// Endpoints that are addresses of one host share its weight.
func weights(records []dnscache.Record, servers map[server]members) func(dnscache.Record) uint32 {
	var heaviest uint32
	finer := false // than the weights are
	for _, r := range records {
		heaviest = max(heaviest, uint32(r.Weight))
		finer = finer || r.Weight == 0 || servers[serverOf(r)].split() > 1
	}
	if heaviest == 0 {
		return func(dnscache.Record) uint32 { return 0 }
	}
	factor := uint32(1)
	if finer {
		factor = max(1, min(emphasis, endpoint.MaxWeight/heaviest))
	}
	return func(r dnscache.Record) uint32 {
		return max(1, uint32(r.Weight)*factor/servers[serverOf(r)].split())
	}
}
