package scenario_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// rich uses the fields that only some scenarios need.
const rich = `# Why.
summary: what happens
fleet:
  servers: 6
  max_connection_age: 5s
dns:
  refusing: 2
  silent: 3
load:
  clients: 1
  rate: 1
  warmup: 0s
  duration: 30s
  keys: 7
  cold: true
contract:
  service: {balance: {consistent_hash: {header: x-shard}}}
timeline:
  - {at: 1s, fault: join, servers: [5, 6]}
  - {at: 2s, fault: slow, servers: [1], factor: 2.5}
  - {at: 3s, fault: answer, servers: [5], code: NOT_FOUND}
  - {at: 4s, fault: answer, servers: [2], code: INTERNAL, share: 30}
  - {at: 5s, fault: dns, reply: servfail}
  - {at: 6s, fault: dns, reply: normal}
  - {at: 9s, fault: recover, servers: [1]}
  - {at: 10s, fault: kill, servers: [3]}
  - {at: 11s, fault: restart, servers: [3]}
arms: [grpc-go round_robin + MaxConnectionAge, surefoot]
expect:
  - {arm: surefoot, text: a, metric: new_share, want: ">= 0.95"}
  - {arm: surefoot, text: b, metric: returned_ms, want: "<= 15000"}
`

func parseRich(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(rich))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRareFieldsAreRead(t *testing.T) {
	s := parseRich(t)
	if s.Fleet.MaxConnectionAge != 5*time.Second || s.DNS.Refusing != 2 || s.DNS.Silent != 3 || s.Load.Keys != 7 || !s.Load.Cold {
		t.Errorf("fleet %+v, dns %+v, load %+v", s.Fleet, s.DNS, s.Load)
	}
	if want := (scenario.Contract{Text: "  service: {balance: {consistent_hash: {header: x-shard}}}\n", Line: 16, Indent: 2}); s.Contract != want || s.Arms[1].Contract != want {
		t.Errorf("the contract is %+v, of the arms %+v, want %+v", s.Contract, s.Arms, want)
	}
	want := []scenario.Fault{
		{At: 1 * time.Second, Kind: scenario.Join, Servers: []int{5, 6}, Line: 19},
		{At: 2 * time.Second, Kind: scenario.Slow, Servers: []int{1}, Factor: 2.5, Line: 20},
		{At: 3 * time.Second, Kind: scenario.Answer, Servers: []int{5}, Code: "NOT_FOUND", Share: 100, Line: 21},
		{At: 4 * time.Second, Kind: scenario.Answer, Servers: []int{2}, Code: "INTERNAL", Share: 30, Line: 22},
		{At: 5 * time.Second, Kind: scenario.BadDNS, Reply: scenario.ServFail, Line: 23},
		{At: 6 * time.Second, Kind: scenario.BadDNS, Reply: scenario.Normal, Line: 24},
	}
	if got := s.Timeline[:6]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatFollowsFromAScenario(t *testing.T) {
	s := parseRich(t)
	if at, faulty := s.FirstFault(); at != 2*time.Second || !faulty {
		t.Errorf("the first fault is at %v, %v: a server that joins does no harm", at, faulty)
	}
	if got := s.Joining(); !slices.Equal(got, []int{5, 6}) {
		t.Errorf("%v join", got)
	}
	if got := s.Struck(); !slices.Equal(got, []int{1, 5, 2, 3}) {
		t.Errorf("%v are struck", got)
	}
	want := scenario.Trouble{Servers: []int{1}, At: 2 * time.Second, End: 9 * time.Second, Healed: true}
	if got, struck := s.Trouble(); !struck || !reflect.DeepEqual(got, want) {
		t.Errorf("the trouble is %+v, want %+v", got, want)
	}
	for _, test := range []struct {
		server int
		at     time.Duration
		down   bool
	}{
		{1, 3 * time.Second, false},
		{5, 500 * time.Millisecond, true}, {5, time.Second, false},
		{3, 9 * time.Second, false}, {3, 10 * time.Second, true}, {3, 11 * time.Second, false},
	} {
		if got := s.DownAt(test.server, test.at); got != test.down {
			t.Errorf("server %d is down at %v: %v", test.server, test.at, got)
		}
	}
	if !s.DropsPackets() || s.NeedsNetwork() != "dns.silent" {
		t.Errorf("drops packets: %v; needs a network for %q", s.DropsPackets(), s.NeedsNetwork())
	}
	if _, struck := (&scenario.Scenario{Timeline: s.Timeline[4:6]}).Trouble(); struck {
		t.Error("bad DNS struck a server")
	}
}

// A server is down while connections to it end though their clients want to keep
// them, and for a moment after, where such an end may come late.
func TestServersAreDown(t *testing.T) {
	const s = time.Second
	down := func(timeline []scenario.Fault, at time.Duration) bool {
		return (&scenario.Scenario{Timeline: timeline}).DownAt(1, at)
	}
	fault := func(at time.Duration, kind scenario.FaultKind) scenario.Fault {
		return scenario.Fault{At: at, Kind: kind, Servers: []int{1}}
	}
	for _, test := range []struct {
		kind, heals scenario.FaultKind
		down, late  bool
	}{
		{scenario.Kill, scenario.Restart, true, false},
		{scenario.Stop, scenario.Continue, true, true},
		{scenario.SilentDrop, scenario.Heal, true, true},
		{scenario.LoseReply, scenario.Recover, true, true},
		{scenario.Slow, scenario.Recover, false, false},
		{scenario.Answer, scenario.Recover, false, false},
	} {
		timeline := []scenario.Fault{fault(2*s, test.kind), fault(6*s, test.heals)}
		for at, want := range map[time.Duration]bool{
			0: false, 2*s - 1: false, 2 * s: test.down, 6*s - 1: test.down,
			6 * s: test.late, 6*s + scenario.Aftermath - 1: test.late, 6*s + scenario.Aftermath: false,
		} {
			if got := down(timeline, at); got != want {
				t.Errorf("%s until %s: down at %v: %v", test.kind, test.heals, at, got)
			}
		}
	}
	// Two at a time: the one that ends first does not end the other.
	both := []scenario.Fault{fault(s, scenario.Stop), fault(2*s, scenario.SilentDrop), fault(3*s, scenario.Continue), fault(6*s, scenario.Heal)}
	if !down(both, 5*s) || !down(both, 6*s) || down(both, 7*s) {
		t.Error("a server that goes on while its packets vanish is well too soon, or too late")
	}
	// One that hung is dead when it is killed, and alive when it is back.
	killed := []scenario.Fault{fault(s, scenario.Stop), fault(2*s, scenario.Kill), fault(6*s, scenario.Restart)}
	if !down(killed, 5*s) || down(killed, 6*s) {
		t.Error("a server that was killed as it hung is not dead until it is back")
	}
}

func TestRingHashNeedsKeys(t *testing.T) {
	const want = `the arm "grpc-go ring_hash" needs load.keys, by which it hashes: add them`
	for load, refused := range map[string]bool{"{clients: 2, rate: 10, duration: 5s, keys: 8}": false, "{clients: 2, rate: 10, duration: 5s}": true} {
		_, err := scenario.Parse("s.yaml", []byte("summary: keys\nfleet: {servers: 2}\nload: "+load+"\narms: [grpc-go ring_hash]\n"))
		if err == nil { // it lacks what is not of interest here
			t.Fatal("no error")
		}
		if strings.Contains(err.Error(), want) != refused {
			t.Errorf("load: %s: got %v", load, err)
		}
	}
}

func TestRareMistakes(t *testing.T) {
	tests := []struct{ name, old, now, want string }{
		{"missing field of a fault", ", factor: 2.5", "", `s.yaml:20:5: the fault slow lacks the field "factor": add it`},
		{"nobody to strike", ", servers: [1], factor", ", factor", `s.yaml:20:5: the fault slow lacks the field "servers": add it
s.yaml:31:5: returned_ms counts from the healing of servers: add a fault that heals what an earlier one did`},
		{"field of another fault", "code: NOT_FOUND", "code: NOT_FOUND, factor: 2", `s.yaml:21:5: the fault answer has no field "factor": it takes at, fault, servers, code, share`},
		{"servers of DNS", "reply: servfail", "reply: servfail, servers: [1]", `s.yaml:23:5: the fault dns has no field "servers": it takes at, fault, reply`},
		{"factor of nothing", "factor: 2.5", "factor: 0", `s.yaml:20:49: factor is 0: choose a value above 0 and up to 1000`},
		{"unknown code", "NOT_FOUND", "NOTFOUND", `s.yaml:21:49: the code is "NOTFOUND", which is unknown: did you mean "NOT_FOUND"? (known: ` + strings.Join(scenario.Codes(), ", ") + `)`},
		{"share of more than all", "share: 30", "share: 101", `s.yaml:22:66: share is 101, outside of 1 to 100: choose a value within`},
		{"unknown reply", "reply: servfail", "reply: servfial", `s.yaml:23:33: the reply is "servfial", which is unknown: did you mean "servfail"? (known: normal, servfail, nxdomain, refused, no-reply, empty, truncated, garbage, wrong-id, wrong-question, loop, flapping)`},
		{"truth", "cold: true", "cold: very", `s.yaml:15:9: load.cold must be true or false, not "very"`},
		{"reply that is the same", "reply: normal", "reply: servfail", `s.yaml:24:1: the reply of DNS is servfail by then: remove this`},
		{"strike before it joined", "at: 3s", "at: 500ms", `s.yaml:21:1: server 5 has not joined by then: strike it later or strike another`},
		{"joined twice", "{at: 9s, fault: recover, servers: [1]}", "{at: 9s, fault: join, servers: [5]}", `s.yaml:25:1: server 5 is there by then: a server joins once
s.yaml:31:5: returned_ms counts from the healing of servers: add a fault that heals what an earlier one did`},
		{"slow twice", "code: INTERNAL, share: 30", "code: INTERNAL, share: 30}\n  - {at: 4s, fault: slow, servers: [2], factor: 2", `s.yaml:23:1: server 2 is slow or answers badly by then: let it recover first or strike another`},
		{"recovery of the healthy", "servers: [1]}\n  - {at: 10s", "servers: [4]}\n  - {at: 10s", `s.yaml:25:1: server 4 is neither slow nor answers badly by then: strike it with slow or answer first or remove this
s.yaml:31:5: returned_ms counts from the healing of servers: add a fault that heals what an earlier one did`},
		{"all join", "servers: 6", "servers: 2", `s.yaml:19:37: there is no server 5: fleet.servers is 2, and they are numbered from 1
s.yaml:19:40: there is no server 6: fleet.servers is 2, and they are numbered from 1
s.yaml:21:39: there is no server 5: fleet.servers is 2, and they are numbered from 1
s.yaml:26:38: there is no server 3: fleet.servers is 2, and they are numbered from 1
s.yaml:27:41: there is no server 3: fleet.servers is 2, and they are numbered from 1
s.yaml:30:5: new_share is of servers that join, and none does: add the fault join`},
		{"age without an arm", "arms: [grpc-go round_robin + MaxConnectionAge, surefoot]", "arms: [surefoot]", `s.yaml:2:1: fleet.max_connection_age is for the arm "grpc-go round_robin + MaxConnectionAge", which does not take part: add the arm or remove the field`},
		{"arm without an age", "  max_connection_age: 5s\n", "", `s.yaml:2:1: the arm "grpc-go round_robin + MaxConnectionAge" needs fleet.max_connection_age: add it`},
		{"contract of nobody", ", surefoot]", "]", `s.yaml:2:1: contract is for the arm "surefoot", which does not take part: add the arm or remove the field
s.yaml:30:11: the arm "surefoot" does not take part: add it to arms or remove the expectation (arms: grpc-go round_robin + MaxConnectionAge)
s.yaml:31:11: the arm "surefoot" does not take part: add it to arms or remove the expectation (arms: grpc-go round_robin + MaxConnectionAge)`},
		{"virtual and dead", "  refusing: 2", "  refusing: 2\n  virtual_ip: true", `s.yaml:2:1: dns.virtual_ip lists one address, and dns.refusing and dns.silent list more: remove one of them`},
		{"warm and cold", "  warmup: 0s\n", "", `s.yaml:2:1: load.cold counts the first calls, and load.warmup, 1s unless it is set, does not: set load.warmup to 0s`},
		{"bound that always holds", `"<= 15000"`, `"<= 21000"`, `s.yaml:31:5: returned_ms cannot exceed 21s, because the run ends then: lengthen load.duration or lower the bound`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if strings.Count(rich, test.old) != 1 {
				t.Fatalf("%q stands %d times", test.old, strings.Count(rich, test.old))
			}
			_, err := scenario.Parse("s.yaml", []byte(strings.Replace(rich, test.old, test.now, 1)))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// A metric that a scenario cannot measure is told before the run.
func TestMetricsNeedSomethingToMeasure(t *testing.T) {
	const bare = "# Why.\nsummary: s\nfleet: {servers: 2}\nload: {clients: 1, rate: 1, duration: 10s}\narms: [surefoot]\n%timeline%expect:\n- {arm: surefoot, text: a, metric: %metric%, want: '< 1'}\n"
	early := "timeline: [{at: 0s, fault: stop, servers: [1]}]\n"
	late := "timeline: [{at: 9s, fault: stop, servers: [1]}]\n"
	tests := []struct{ metric, timeline, want string }{
		{"quiet_p99_ms", early, "is of the calls before the first fault, and there are none: add a fault, later than 0s"},
		{"quiet_p99_ms", late, ""},
		{"p99_over_quiet", late, "compares calls before the first fault with those from 2s after it: add a fault that leaves time for both"},
		{"bad_share", late, "is measured from 2s after servers were struck until they heal: add a fault that lasts longer"},
		{"bad_share", early, ""},
		{"new_share", early, "is of servers that join, and none does: add the fault join"},
		{"returned_ms", early, "counts from the healing of servers: add a fault that heals what an earlier one did"},
		{"away_keys", "load: {clients: 4, rate: 10, duration: 10s, keys: 41}\ntimeline: [{at: 1s, fault: stop, servers: [1]}]\n",
			"needs each key to be called before the first fault, and in the last 2s, and a round of the keys takes 1.025s: call more often or take fewer keys"},
		{"away_keys", "load: {clients: 4, rate: 10, duration: 10s, keys: 40}\ntimeline: [{at: 1s, fault: stop, servers: [1]}]\n", ""},
		{"moved_keys", early, "counts keys that move because of faults: add load.keys and a fault"},
		{"bad_replies", early, "counts bad replies of DNS: add the fault dns"},
		{"closed_connections", "", ""},
		{"budget_used", "", ""},
		{"goodput_before", early, "is of the calls before the first fault, and there are none: add a fault, later than 0s"},
		{"goodput_after", late, "is measured from 5s after servers have healed: add a fault that heals what an earlier one did, early enough"},
		{"goodput_after", "timeline: [{at: 1s, fault: stop, servers: [1]}, {at: 5s, fault: continue, servers: [1]}]\n", "is measured from 5s after servers have healed: add a fault that heals what an earlier one did, early enough"},
		{"goodput_after", "timeline: [{at: 1s, fault: stop, servers: [1]}, {at: 4s, fault: continue, servers: [1]}]\n", ""},
		{"wasted_work", late, "is measured where servers queue or call each other: add fleet.concurrency or fleet.layers"},
		{"applied_twice", late, "is for loads with calls that change something: add load.writes"},
		{"applied_twice", "load: {clients: 1, rate: 1, duration: 10s, writes: 1}\ntimeline: [{at: 1s, fault: kill, servers: [1]}]\n",
			"is reported by the servers, and one that is killed cannot: choose another fault"},
		{"failed_idempotent", "load: {clients: 1, rate: 1, duration: 10s, writes: 1}\ntimeline: [{at: 1s, fault: kill, servers: [1]}]\n", ""},
	}
	for _, test := range tests {
		text := bare
		if strings.HasPrefix(test.timeline, "load:") {
			text = strings.Replace(bare, "load: {clients: 1, rate: 1, duration: 10s}\n", "", 1)
		}
		text = strings.NewReplacer("%timeline%", test.timeline, "%metric%", test.metric).Replace(text)
		_, err := scenario.Parse("s.yaml", []byte(text))
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.metric, err)
		case test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+test.metric+" "+test.want)):
			t.Errorf("%s: got %v, want %s", test.metric, err, test.want)
		}
	}
}
