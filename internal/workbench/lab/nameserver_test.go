package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// named starts a name server with n addresses.
// oneLayer is a fleet that calls nobody else.
func oneLayer(netip.Addr) int { return 1 }

func named(t *testing.T, n int, ttl time.Duration, seed uint64) (*nameserver, string, []string) {
	t.Helper()
	w, err := newLoopbackWorld()
	if err != nil {
		t.Fatal(err)
	}
	s, err := startNameserver(t.Context(), w.nameserver(), ttl, seed, oneLayer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	var addresses []string
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i % 250)})
		s.list(a, a) // twice is once
		addresses = append(addresses, a.String())
	}
	return s, w.nameserver().String(), addresses
}

func ask(t *testing.T, network, at, name string, kind uint16, size uint16) *dns.Msg {
	t.Helper()
	query := new(dns.Msg).SetQuestion(name, kind)
	if size > 0 {
		query.SetEdns0(size, false)
	}
	client := &dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: size}
	reply, _, err := client.Exchange(query, at)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func addressesOf(reply *dns.Msg) []string {
	var got []string
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			got = append(got, a.A.String())
		}
	}
	return got
}

func TestNameserverAnswersInOrder(t *testing.T) {
	s, at, want := named(t, 3, 7*time.Second, 0)
	for _, name := range []string{serviceName, "INVENTORY.lab.svc.cluster.local."} {
		reply := ask(t, "udp", at, name, dns.TypeA, 0)
		if got := addressesOf(reply); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		for _, rr := range reply.Answer {
			if rr.Header().Ttl != 7 {
				t.Errorf("the TTL of %v is not 7", rr)
			}
		}
	}
	s.delist(netip.MustParseAddr(want[1]))
	if got := addressesOf(ask(t, "udp", at, serviceName, dns.TypeA, 0)); !slices.Equal(got, []string{want[0], want[2]}) {
		t.Errorf("after delisting %s there are %v", want[1], got)
	}
	s.list(netip.MustParseAddr(want[1]))
	if got := addressesOf(ask(t, "udp", at, serviceName, dns.TypeA, 0)); len(got) != 3 {
		t.Errorf("after listing it again there are %v", got)
	}
}

// The order of the answers is another each time, and the same in each run.
func TestNameserverShufflesRepeatably(t *testing.T) {
	var runs [2][]string
	for i := range runs {
		_, at, want := named(t, 10, time.Second, 42)
		for range 5 {
			got := addressesOf(ask(t, "udp", at, serviceName, dns.TypeA, 0))
			runs[i] = append(runs[i], fmt.Sprint(got))
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("an answer holds %v", got)
			}
		}
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Error("two runs have different answers")
	}
	if runs[0][0] == runs[0][1] && runs[0][1] == runs[0][2] {
		t.Error("three answers have the same order")
	}
}

func TestNameserverSaysWhatThereIsNot(t *testing.T) {
	_, at, _ := named(t, 1, time.Second, 0)
	tests := []struct {
		name  string
		kind  uint16
		rcode int
	}{
		{"other.lab.svc.cluster.local.", dns.TypeA, dns.RcodeNameError},
		{serviceName, dns.TypeAAAA, dns.RcodeSuccess},
		{serviceName, dns.TypeTXT, dns.RcodeSuccess},
	}
	for _, test := range tests {
		reply := ask(t, "udp", at, test.name, test.kind, 0)
		if reply.Rcode != test.rcode || len(reply.Answer) != 0 || len(reply.Ns) != 1 {
			t.Errorf("%s %s: %v", test.name, dns.TypeToString[test.kind], reply)
		}
	}
}

// An answer that does not fit says so, and all of it is there over TCP.
func TestNameserverTruncates(t *testing.T) {
	_, at, want := named(t, 500, time.Second, 0)
	tests := []struct {
		network   string
		size      uint16
		truncated bool
	}{{"udp", 0, true}, {"udp", 1232, true}, {"tcp", 0, false}, {"tcp", 1232, false}}
	seen := map[uint16]int{}
	for _, test := range tests {
		reply := ask(t, test.network, at, serviceName, dns.TypeA, test.size)
		got := addressesOf(reply)
		if reply.Truncated != test.truncated || (len(got) == len(want)) == test.truncated {
			t.Errorf("%s of %d bytes: truncated %v, %d of %d addresses", test.network, test.size, reply.Truncated, len(got), len(want))
		}
		if test.network == "udp" {
			seen[test.size] = len(got)
		}
	}
	if seen[1232] <= seen[0] {
		t.Errorf("%d addresses fit with EDNS0, %d without", seen[1232], seen[0])
	}
}

func TestNameserverSaysThatItsPortIsTaken(t *testing.T) {
	s, at, _ := named(t, 0, 0, 0)
	_, err := startNameserver(t.Context(), netip.MustParseAddrPort(at), 0, 0, oneLayer)
	if err == nil || err.Error() != fmt.Sprintf("listen for DNS on udp %s: listen udp4 %s: bind: address already in use; another program listens there: end it, or wait for the other run of the lab", at, at) {
		t.Errorf("got %v", err)
	}
	s.close() // once more at the test's end: twice does no harm
}
