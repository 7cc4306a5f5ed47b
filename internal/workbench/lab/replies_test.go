package lab

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// exchange sends one query and returns the bytes of the answer; nil without
// one.
func exchange(t *testing.T, network, at string, id uint16, patience time.Duration) []byte {
	t.Helper()
	conn, err := net.Dial(network, at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := new(dns.Msg).SetQuestion(serviceName, dns.TypeA)
	query.Id = id
	c := &dns.Conn{Conn: conn}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteMsg(query); err != nil {
		t.Fatal(err)
	}
	answer, err := c.ReadMsgHeader(nil)
	if err != nil {
		return nil
	}
	return answer
}

func TestBadReplies(t *testing.T) {
	const id = 4711
	s, at, _ := named(t, 4, time.Second, 0)
	parsed := func(check func(m *dns.Msg) bool) func([]byte) bool {
		return func(answer []byte) bool {
			var m dns.Msg
			return answer != nil && m.Unpack(answer) == nil && check(&m)
		}
	}
	rcode := func(want int) func([]byte) bool {
		return parsed(func(m *dns.Msg) bool { return m.Id == id && m.Rcode == want && len(m.Answer) == 0 })
	}
	tests := map[scenario.Reply]func([]byte) bool{
		scenario.ServFail:  rcode(dns.RcodeServerFailure),
		scenario.NXDomain:  rcode(dns.RcodeNameError),
		scenario.Refused:   rcode(dns.RcodeRefused),
		scenario.Empty:     rcode(dns.RcodeSuccess),
		scenario.NoReply:   func(answer []byte) bool { return answer == nil },
		scenario.Truncated: parsed(func(m *dns.Msg) bool { return m.Truncated && len(m.Answer) == 0 }),
		scenario.Garbage:   func(answer []byte) bool { return answer != nil && new(dns.Msg).Unpack(answer) != nil },
		scenario.WrongID:   parsed(func(m *dns.Msg) bool { return m.Id != id && len(m.Answer) == 1 }),
		scenario.WrongQuestion: parsed(func(m *dns.Msg) bool {
			return m.Id == id && m.Question[0].Name != serviceName && len(m.Answer) == 1
		}),
		scenario.Loop: parsed(func(m *dns.Msg) bool {
			return len(m.Answer) == 2 && m.Answer[0].Header().Name == m.Answer[1].(*dns.CNAME).Target
		}),
		scenario.Flapping: parsed(func(m *dns.Msg) bool { return len(m.Answer) == 2 }),
	}
	given := 0
	for _, reply := range scenario.Replies() {
		if reply == scenario.Normal {
			continue
		}
		check := tests[reply]
		if check == nil {
			t.Errorf("%s is not tested", reply)
			continue
		}
		s.behave(reply)
		if got := s.badReplies(); got != given {
			t.Errorf("before %s %d kinds were given, want %d", reply, got, given)
		}
		patience := time.Minute
		if reply == scenario.NoReply {
			patience = 200 * time.Millisecond
		}
		if answer := exchange(t, "udp", at, id, patience); !check(answer) {
			t.Errorf("%s is %q", reply, answer)
		}
		given++
	}
	s.behave(scenario.Truncated)
	if answer := exchange(t, "tcp", at, id, time.Minute); answer != nil {
		t.Errorf("over TCP a truncated answer goes on: %q", answer)
	}
	s.behave(scenario.Normal)
	if reply := ask(t, "udp", at, serviceName, dns.TypeA, 0); len(addressesOf(reply)) != 4 || s.badReplies() != given {
		t.Errorf("when it is well again it says %v, and gave %d kinds of bad replies", reply, s.badReplies())
	}
}

// Half of the addresses, then the others.
func TestFlappingTellsHalves(t *testing.T) {
	s, at, want := named(t, 5, time.Second, 0)
	s.behave(scenario.Flapping)
	first := addressesOf(ask(t, "udp", at, serviceName, dns.TypeA, 0))
	second := addressesOf(ask(t, "udp", at, serviceName, dns.TypeA, 0))
	both := append(slices.Clone(first), second...)
	slices.Sort(both)
	if !slices.Equal(both, want) || len(first) == 0 || len(second) == 0 {
		t.Errorf("%v, then %v, of %v", first, second, want)
	}
}
