package lab

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// nameserver answers for the service, over UDP and TCP. Its methods may be
// called from any goroutine.
type nameserver struct {
	ttl     time.Duration
	layer   func(netip.Addr) int // to which service an address belongs
	servers []*dns.Server
	done    sync.WaitGroup

	mu      sync.Mutex // guards what follows
	listed  []netip.Addr
	shuffle *rand.Rand // nil keeps the order
	reply   scenario.Reply
	given   map[scenario.Reply]int // bad replies to those who asked for addresses
	half    int                    // of the addresses, which is told next while flapping
}

// negativeTTL is how long a client may remember that there is nothing, in
// seconds.
const negativeTTL = 1

// startNameserver listens at the address and answers until close. seed 0 keeps
// the addresses in order; any other shuffles each answer, as the load balancing
// of DNS servers does, in a sequence that is the same in each run. layer says to
// which service an address belongs.
func startNameserver(ctx context.Context, at netip.AddrPort, ttl time.Duration, seed uint64, layer func(netip.Addr) int) (*nameserver, error) {
	s := &nameserver{ttl: ttl, layer: layer}
	if seed != 0 {
		s.shuffle = rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a repeatable order is the point
	}
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, "udp4", at.String())
	if err != nil {
		return nil, failed("listen for DNS on udp "+at.String(), err)
	}
	listener, err := config.Listen(ctx, "tcp4", at.String())
	if err != nil {
		_ = packets.Close() // nothing was received yet
		return nil, failed("listen for DNS on tcp "+at.String(), err)
	}
	s.servers = []*dns.Server{
		{PacketConn: packets, Handler: dns.HandlerFunc(s.answer)},
		{Listener: listener, Handler: dns.HandlerFunc(s.answer)},
	}
	for _, server := range s.servers {
		ready := make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		s.done.Go(func() {
			// It ends with an error only when the listener is closed, which
			// is how it is ended.
			_ = server.ActivateAndServe()
		})
		<-ready
	}
	return s, nil
}

func (s *nameserver) close() {
	for _, server := range s.servers {
		_ = server.Shutdown() // closed twice at worst
	}
	s.done.Wait()
}

// list adds addresses to the answers.
func (s *nameserver) list(addresses ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range addresses {
		if !slices.Contains(s.listed, a) {
			s.listed = append(s.listed, a)
		}
	}
}

// delist removes an address from the answers.
func (s *nameserver) delist(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = slices.DeleteFunc(s.listed, func(b netip.Addr) bool { return a == b })
}

// order is the addresses of one answer about the service of a layer.
func (s *nameserver) order(layer int) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addresses := slices.DeleteFunc(slices.Clone(s.listed), func(a netip.Addr) bool { return s.layer(a) != layer })
	if s.reply == scenario.Flapping {
		middle := len(addresses) / 2
		if s.half++; s.half%2 == 0 {
			addresses = addresses[:middle]
		} else {
			addresses = addresses[middle:]
		}
	}
	if s.shuffle != nil {
		s.shuffle.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	}
	return addresses
}

func (s *nameserver) answer(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.Authoritative = true
	if len(query.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
		_ = w.WriteMsg(reply) // a client that is gone needs no answer
		return
	}
	question := query.Question[0]
	bad := scenario.Normal
	layer := layerNamed(question.Name)
	if layer > 0 {
		bad = s.asked(question.Qtype)
	}
	switch {
	case bad != scenario.Normal && bad != scenario.Flapping:
		if !s.spoil(bad, w, reply) {
			return
		}
	case layer == 0:
		reply.Rcode = dns.RcodeNameError
	case question.Qtype == dns.TypeA:
		ttl := uint32(s.ttl / time.Second)
		for _, a := range s.order(layer) {
			reply.Answer = append(reply.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl},
				A:   a.AsSlice(),
			})
		}
	}
	if len(reply.Answer) == 0 {
		reply.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: "lab.svc.cluster.local.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: negativeTTL},
			Ns:  "ns.lab.svc.cluster.local.", Mbox: "nobody.lab.svc.cluster.local.",
			Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: negativeTTL,
		}}
	}
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
		reply.SetEdns0(dns.DefaultMsgSize, false)
	}
	if w.LocalAddr().Network() == "tcp" {
		size = dns.MaxMsgSize
	}
	reply.Compress = true
	reply.Truncate(size)
	_ = w.WriteMsg(reply) // a client that is gone needs no answer
}

// layerNamed is the layer whose service has the name; 0 when none has.
func layerNamed(name string) int {
	for layer := 1; layer <= scenario.MaxLayers; layer++ {
		if strings.EqualFold(name, nameOf(layer)) {
			return layer
		}
	}
	return 0
}
