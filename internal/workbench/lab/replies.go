package lab

import (
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// behave makes the name server answer so from now on.
func (s *nameserver) behave(r scenario.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = r
}

// asked is how the server answers this query of kind qtype for the service. It
// counts the bad replies to those who ask for addresses.
func (s *nameserver) asked(qtype uint16) scenario.Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reply == "" || s.reply == scenario.Normal {
		return scenario.Normal
	}
	if qtype == dns.TypeA {
		if s.given == nil {
			s.given = map[scenario.Reply]int{}
		}
		s.given[s.reply]++
	}
	return s.reply
}

// badReplies is how many kinds of bad replies were given so far.
func (s *nameserver) badReplies() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.given)
}

// poison is an address at which nobody lives, in answers that no client may
// believe.
func poison(name string, ttl time.Duration) dns.RR {
	return &dns.A{
		Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: uint32(ttl / time.Second)},
		A:   net.IPv4(10, 66, 6, 66),
	}
}

// spoil sends a bad reply, or changes reply so that it becomes one; it says
// whether reply is still to be sent.
func (s *nameserver) spoil(kind scenario.Reply, w dns.ResponseWriter, reply *dns.Msg) (send bool) {
	name := reply.Question[0].Name
	switch kind {
	case scenario.ServFail:
		reply.Rcode = dns.RcodeServerFailure
	case scenario.NXDomain:
		reply.Rcode = dns.RcodeNameError
	case scenario.Refused:
		reply.Rcode = dns.RcodeRefused
	case scenario.Normal, scenario.Flapping, scenario.Empty: // as it is
	case scenario.NoReply:
		return false
	case scenario.Truncated:
		if w.LocalAddr().Network() == "tcp" {
			_ = w.Close() // there is nothing more to say
			return false
		}
		reply.Truncated = true
	case scenario.Garbage:
		_, _ = w.Write([]byte("this is no DNS message at all")) // a client that is gone needs none
		return false
	case scenario.WrongID:
		reply.Id++
		reply.Answer = []dns.RR{poison(name, s.ttl)}
	case scenario.WrongQuestion:
		reply.Question[0].Name = "elsewhere." + name
		reply.Answer = []dns.RR{poison(reply.Question[0].Name, s.ttl)}
	case scenario.Loop:
		alias := func(from, to string) dns.RR {
			return &dns.CNAME{Hdr: dns.RR_Header{Name: from, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 1}, Target: to}
		}
		reply.Answer = []dns.RR{alias(name, "again."+name), alias("again."+name, name)}
	}
	return true
}
