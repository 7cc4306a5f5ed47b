package dns

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// parallelTargets bounds how many targets are looked up at a time, for
	// servers that do not send their addresses along.
	parallelTargets = 8
	// incompleteTTL bounds the TTL of Services that lack a target.
	incompleteTTL = 5 * time.Second

	typeSRV = "SRV"
)

// Services are the servers of a service: at least one with an address.
type Services struct {
	// Targets are those of one priority, in the server's order.
	Targets []Target
	// Priority is theirs: the lowest that has a target with an address.
	Priority uint16
	// TTL is the shortest TTL of the records that led to Targets. It is 5 s at
	// most while the addresses of one are not known.
	TTL time.Duration
	// Name is the rooted name that had them; Server is who answered.
	Name, Server string
	// Rank is the place of Name in the search list.
	Rank int
	// Skipped is why a name earlier in the search list, or a lower priority, was
	// passed over when it was not denied. Nil is the normal case.
	Skipped error
}

// A Target is one SRV record (RFC 2782) and the addresses of its host.
type Target struct {
	Host         string // rooted, in lower case
	Port, Weight uint16
	// Addrs are the addresses, IPv4 before IPv6, in the server's order.
	Addrs []netip.Addr
	// NoIPv4 and NoIPv6 are as in [Answer]. If both are set there are no Addrs.
	NoIPv4, NoIPv6 error
}

// service is an SRV record of a reply.
type service struct {
	dnsmessage.SRVResource

	ttl uint32
}

// additional holds the addresses in the additional section of a reply, by
// owner. Sets of records come whole or not at all (RFC 2181 §5.1).
type additional map[string][]record

func (a additional) read(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (additional, error) {
	var addr netip.Addr
	if h.Type == dnsmessage.TypeA {
		r, err := p.AResource()
		if err != nil {
			return a, err
		}
		addr = netip.AddrFrom4(r.A)
	} else {
		r, err := p.AAAAResource()
		if err != nil {
			return a, err
		}
		addr = netip.AddrFrom16(r.AAAA)
	}
	if a == nil {
		a = additional{}
	}
	a[key(h.Name)] = append(a[key(h.Name)], record{addr, h.TTL})
	return a, nil
}

// of returns the addresses of host that can be used here, false if there are
// none. A host with addresses in the section is not asked for, even if it has
// those of one family alone: servers that send them send both.
func (a additional) of(host string, ipv6 bool) (Answer, bool) {
	answer := Answer{TTL: maxTTL}
	for _, six := range []bool{false, true} {
		for _, r := range a[host] {
			if r.addr.Is6() == six && (ipv6 || !six) && usable(r.addr) {
				answer.Addrs = append(answer.Addrs, r.addr)
				answer.TTL = min(answer.TTL, seconds(r.ttl))
			}
		}
	}
	return answer, len(answer.Addrs) > 0
}

// LookupService returns the servers of the service that host names, as
// "_grpc._tcp.inventory.test". The error is an [*Error]. It returns soon after
// ctx ends.
//
// It is RFC 2782 but for the choice of one server, which is for the balancer:
// of the lowest priority with an address all servers are returned. The search
// list applies; the hosts file has no services. Addresses come from the
// additional section where the server sends them, and are asked for otherwise.
func (r *Resolver) LookupService(ctx context.Context, host string) (Services, error) {
	if why := checkName(host); why != "" {
		return Services{}, &Error{Kind: BadName, Name: host, Type: typeSRV, Detail: why}
	}
	c := r.config()
	s, rank, skipped, err := search(ctx, c.candidates(host), func(name string) (Services, error) {
		return r.lookupServices(ctx, c, name)
	})
	if err != nil {
		return Services{}, err
	}
	s.Rank = rank
	if s.Skipped == nil {
		s.Skipped = skipped
	}
	return s, nil
}

func (r *Resolver) lookupServices(ctx context.Context, c conf, name string) (Services, error) {
	packed, err := dnsmessage.NewName(name)
	if err != nil {
		return Services{}, &Error{Kind: BadName, Name: name, Type: typeSRV, Err: err}
	}
	rep, server, err := r.askAll(ctx, c, dnsmessage.Question{Name: packed, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET})
	if err != nil {
		return Services{}, err
	}
	denied := func(why string) *Error {
		return &Error{Kind: NoData, Name: name, Type: typeSRV, Server: server, Detail: why}
	}
	if len(rep.services) == 1 && key(rep.services[0].Target) == "." {
		return Services{}, denied(`its target is ".", which says that there is no such service`)
	}
	usable := slices.DeleteFunc(rep.services, func(s service) bool { return s.Port == 0 || key(s.Target) == "." })
	slices.SortStableFunc(usable, func(x, y service) int { return cmp.Compare(x.Priority, y.Priority) })
	var skipped *Error
	for len(usable) > 0 {
		n := 1
		for n < len(usable) && usable[n].Priority == usable[0].Priority {
			n++
		}
		s, failure := r.targets(ctx, c, usable[:n], rep.extra)
		if s.Targets != nil {
			s.Priority, s.Name, s.Server = usable[0].Priority, name, server
			s.TTL = min(s.TTL, rep.ttl)
			if skipped != nil {
				s.Skipped = skipped
			}
			return s, nil
		}
		skipped = cmp.Or(skipped, failure)
		usable = usable[n:]
	}
	if skipped != nil {
		return Services{}, skipped
	}
	return Services{}, denied("none of its targets has one")
}

// targets returns services of one priority with their addresses: without
// Targets if there is no address at all. The error is then why addresses may
// exist nevertheless, nil if none does.
func (r *Resolver) targets(ctx context.Context, c conf, services []service, extra additional) (Services, *Error) {
	hosts := r.hostsOf(ctx, c, services, extra)
	s := Services{TTL: maxTTL}
	found := false
	var failure *Error
	for _, srv := range services {
		t := Target{Host: key(srv.Target), Port: srv.Port, Weight: srv.Weight}
		h := hosts[t.Host]
		switch {
		case h.err == nil:
			found = true
			t.Addrs, t.NoIPv4, t.NoIPv6 = h.answer.Addrs, h.answer.NoIPv4, h.answer.NoIPv6
			s.TTL = min(s.TTL, h.answer.TTL)
		case h.err.Kind.final():
			continue
		default:
			failure = cmp.Or(failure, h.err)
			t.NoIPv4, t.NoIPv6 = h.err, h.err
			s.TTL = min(s.TTL, incompleteTTL)
		}
		s.Targets = append(s.Targets, t)
	}
	if !found {
		return Services{}, failure
	}
	return s, nil
}

// A hostAnswer is what is known about the host of a target.
type hostAnswer struct {
	answer Answer
	err    *Error // nil if there are addresses
}

// hostsOf returns the addresses of the hosts of services.
func (r *Resolver) hostsOf(ctx context.Context, c conf, services []service, extra additional) map[string]hostAnswer {
	known := make(map[string]hostAnswer, len(services))
	var missing []string
	ipv6 := r.ipv6()
	for _, s := range services {
		host := key(s.Target)
		if _, ok := known[host]; ok {
			continue
		}
		a, ok := extra.of(host, ipv6)
		if !ok {
			missing = append(missing, host)
		}
		known[host] = hostAnswer{answer: a}
	}
	answers := make([]hostAnswer, len(missing))
	slots := make(chan struct{}, parallelTargets)
	var wg sync.WaitGroup
	for i, host := range missing {
		slots <- struct{}{} // a look-up ends soon after ctx does, so that no case for ctx is needed
		wg.Go(func() {
			defer func() { <-slots }()
			a, err := r.lookupName(ctx, c, host)
			answers[i].answer = a
			if err != nil {
				answers[i].err = asError(err)
			}
		})
	}
	wg.Wait()
	for i, host := range missing {
		known[host] = answers[i]
	}
	return known
}
