package lab

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// steady is attempts of 10 per beat to each of the addresses within [from, to).
func steady(streams protocol.Streams, from, to time.Duration, servers ...int) {
	for _, n := range servers {
		beats := streams[fmt.Sprint(n)]
		for i := range int(to / protocol.Beat) {
			if len(beats) <= i {
				beats = append(beats, 0)
			}
			if i >= int(from/protocol.Beat) {
				beats[i] += 10
			}
		}
		streams[fmt.Sprint(n)] = beats
	}
}

func measured(s *scenario.Scenario, sum protocol.Tally) measure {
	until := protocol.Instant(s.Load.Duration)
	return measure{s, sum, evidence{run: protocol.Go{Until: until, Quiet: 100}, address: func(n int) string { return fmt.Sprint(n) }}}
}

func value(p *float64) string {
	if p == nil {
		return "not measured"
	}
	return fmt.Sprintf("%.3f", *p)
}

func TestSharesOverTime(t *testing.T) {
	const s = time.Second
	fault := func(at time.Duration, kind scenario.FaultKind, servers ...int) scenario.Fault {
		return scenario.Fault{At: at, Kind: kind, Servers: servers}
	}
	tests := []struct {
		name               string
		timeline           []scenario.Fault
		traffic            func(protocol.Streams)
		fresh, bad, comeTo string
		virtual            bool
	}{
		{"nothing happens", nil, func(a protocol.Streams) { steady(a, 0, 20*s, 1, 2, 3, 4) }, "not measured", "not measured", "not measured", false},
		{"new ones carry their share at the end", []scenario.Fault{fault(2*s, scenario.Join, 4)}, func(a protocol.Streams) {
			steady(a, 0, 20*s, 1, 2, 3)
			steady(a, 15*s, 20*s, 4)
		}, "1.000", "not measured", "not measured", false},
		{"new ones carry half of it", []scenario.Fault{fault(2*s, scenario.Join, 3, 4)}, func(a protocol.Streams) {
			steady(a, 0, 20*s, 1, 2)
			steady(a, 15*s, 20*s, 1, 2, 3, 4)
		}, "0.667", "not measured", "not measured", false},
		{"the bad one keeps its share", []scenario.Fault{fault(2*s, scenario.Slow, 1)}, func(a protocol.Streams) { steady(a, 0, 20*s, 1, 2, 3, 4) },
			"not measured", "0.250", "not measured", false},
		{"it is left in time and comes back", []scenario.Fault{fault(2*s, scenario.Slow, 1), fault(10*s, scenario.Recover, 1)}, func(a protocol.Streams) {
			steady(a, 0, 4*s, 1)
			steady(a, 13*s, 20*s, 1)
			steady(a, 0, 20*s, 2, 3, 4)
		}, "not measured", "0.000", "2800.000", false}, // 80 % of a share over a second
		{"it never comes back", []scenario.Fault{fault(2*s, scenario.Stop, 1), fault(10*s, scenario.Continue, 1)}, func(a protocol.Streams) { steady(a, 0, 20*s, 2, 3, 4) },
			"not measured", "0.000", "10000.000", false},
		{"no attempts", []scenario.Fault{fault(2*s, scenario.Stop, 1)}, func(protocol.Streams) {}, "not measured", "not measured", "not measured", false},
		{"one address for all", []scenario.Fault{fault(2*s, scenario.Stop, 1), fault(10*s, scenario.Continue, 1)}, func(a protocol.Streams) { steady(a, 0, 20*s, 9) },
			"not measured", "not measured", "not measured", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sc := &scenario.Scenario{
				Fleet: scenario.Fleet{Servers: 4, Layers: 1}, Load: scenario.Load{Duration: 20 * s},
				DNS: scenario.DNS{VirtualIP: test.virtual}, Timeline: test.timeline,
			}
			sum := protocol.Tally{Streams: protocol.Streams{}}
			test.traffic(sum.Streams)
			m := measured(sc, sum)
			if got := value(m.newShare()); got != test.fresh {
				t.Errorf("new share %s, want %s", got, test.fresh)
			}
			if got := value(m.badShare()); got != test.bad {
				t.Errorf("bad share %s, want %s", got, test.bad)
			}
			if got := value(m.returned()); got != test.comeTo {
				t.Errorf("returned after %s ms, want %s", got, test.comeTo)
			}
		})
	}
}

// A connection ends with a server that is down; any other end is a choice.
func TestClosedConnections(t *testing.T) {
	sc := &scenario.Scenario{
		Fleet: scenario.Fleet{Servers: 3, Layers: 1}, Load: scenario.Load{Duration: 20 * time.Second},
		DNS: scenario.DNS{VirtualIP: true},
		Timeline: []scenario.Fault{
			{At: 5 * time.Second, Kind: scenario.Kill, Servers: []int{1}},
			{At: 9 * time.Second, Kind: scenario.Restart, Servers: []int{1}},
		},
	}
	at := func(s int) protocol.Instant { return protocol.Instant(s) * protocol.Instant(time.Second) }
	m := measured(sc, protocol.Tally{Closed: []protocol.Closed{
		{Address: "1", At: at(4)},                              // before it died
		{Address: "1", At: at(5)},                              // as it died
		{Address: "virtual", Server: serverName(1), At: at(6)}, // known by who answered
		{Address: "virtual", At: at(3)},                        // nobody answered, and all live
		{Address: "virtual", At: at(6)},                        // nobody answered, as one that dies does
		{Address: "1", At: at(9)},                              // after it came back
		{Address: "2", At: at(6)},
	}})
	if got := m.closed(); *got != 4 {
		t.Errorf("%d connections to living servers were closed, want 4", *got)
	}
	sc.DNS.VirtualIP = false
	if got := m.closed(); *got != 3 {
		t.Errorf("%d connections were closed, want all but the one to where no server is", *got)
	}
}

// A server that hangs, falls silent or cuts its connections loses them, and one that
// is slow or answers badly does not.
func TestConnectionsToAServerThatWasStruck(t *testing.T) {
	for kind, heals := range map[scenario.FaultKind]scenario.FaultKind{
		scenario.Kill: scenario.Restart, scenario.Stop: scenario.Continue, scenario.SilentDrop: scenario.Heal,
		scenario.LoseReply: scenario.Recover, scenario.Slow: scenario.Recover, scenario.Answer: scenario.Recover,
	} {
		sc := &scenario.Scenario{
			Fleet: scenario.Fleet{Servers: 2, Layers: 1}, Load: scenario.Load{Duration: 20 * time.Second},
			Timeline: []scenario.Fault{{At: 5 * time.Second, Kind: kind, Servers: []int{1}}, {At: 9 * time.Second, Kind: heals, Servers: []int{1}}},
		}
		want := int64(2) // the other server's, and the one before
		if kind == scenario.Slow || kind == scenario.Answer {
			want = 3
		}
		m := measured(sc, protocol.Tally{Closed: []protocol.Closed{
			{Address: "1", At: protocol.Instant(4 * time.Second)},
			{Address: "1", At: protocol.Instant(6 * time.Second)},
			{Address: "2", At: protocol.Instant(6 * time.Second)},
		}})
		if got := m.closed(); *got != want {
			t.Errorf("%s: %d connections to living servers were closed, want %d", kind, *got, want)
		}
	}
}

// Keys are counted as one who follows each key by hand would.
func TestKeysAgainstAModel(t *testing.T) {
	sc := &scenario.Scenario{
		Fleet: scenario.Fleet{Servers: 5, Layers: 1}, Load: scenario.Load{Duration: 20 * time.Second},
		Timeline: []scenario.Fault{{At: 5 * time.Second, Kind: scenario.Kill, Servers: []int{1, 2}}},
	}
	end := protocol.Instant(18 * time.Second)
	r := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		sum := protocol.Tally{Keys: map[int]protocol.Key{}}
		var want report.Keys
		for number := 1; number <= 40; number++ {
			home := 1 + r.IntN(5)
			key := protocol.Key{serverName(home): {First: protocol.Instant(r.IntN(100)), Last: end}}
			moved, away := false, false
			for n := 1; n <= 5; n++ {
				if n == home || r.IntN(4) > 0 {
					continue
				}
				last := protocol.Instant(r.Int64N(int64(20 * time.Second)))
				key[serverName(n)] = protocol.Stay{First: 100 + last/2, Last: max(last, 100+last/2)}
				moved, away = true, away || last >= end
			}
			if r.IntN(10) == 0 { // nobody answered it before the fault
				stay := key[serverName(home)]
				stay.First = 100
				key[serverName(home)] = stay
				moved, away = false, false
			}
			sum.Keys[number] = key
			if moved {
				want.Moved++
				if home > 2 {
					want.Stray++
				}
			}
			if away {
				want.Away++
			}
		}
		if got := measured(sc, sum).keys(); *got != want {
			t.Fatalf("got %+v, want %+v", *got, want)
		}
	}
}
