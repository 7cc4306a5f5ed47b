package lab

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func TestWhatServersDidAddsUp(t *testing.T) {
	s := &scenario.Scenario{Fleet: scenario.Fleet{Servers: 4, Layers: 2}, Load: scenario.Load{Duration: time.Second}}
	m := measured(s, protocol.Tally{})
	if m.bottom() != nil || m.wasted() != nil || m.appliedTwice() != nil {
		t.Error("nobody was asked, and there is an answer")
	}
	m.served = map[int]protocol.Served{
		1: {Handled: 100, Wasted: time.Millisecond},
		2: {Handled: 200, Applied: map[string]int{"a": 1, "b": 1, "c": 2}},
		3: {Handled: 30, Wasted: 1500 * time.Microsecond},
		4: {Handled: 4, Applied: map[string]int{"b": 1, "d": 1}},
	}
	if got := m.bottom(); *got != 34 {
		t.Errorf("%d attempts at the bottom, want those of servers 3 and 4", *got)
	}
	if got := m.wasted(); *got != 2.5 {
		t.Errorf("%v ms were wasted, want 2.5", *got)
	}
	if got := m.appliedTwice(); *got != 2 { // by one server, and by two
		t.Errorf("%d writes were applied twice, want b and c", *got)
	}
	s.Fleet.Layers = 1
	if m.bottom() != nil {
		t.Error("a fleet of one layer has a bottom")
	}
}

func TestGoodputBeforeAndAfter(t *testing.T) {
	s := &scenario.Scenario{Fleet: scenario.Fleet{Servers: 1}}
	if got := measured(s, protocol.Tally{}).goodput(); got != nil {
		t.Errorf("of no call: %+v", got)
	}
	sum := protocol.Tally{Before: protocol.Goodput{Calls: 10, OK: 9}}
	if got := measured(s, sum).goodput(); got.Before != 0.9 || got.After != nil {
		t.Errorf("got %+v, want 0.9 and nothing", got)
	}
	sum.Settled = protocol.Goodput{Calls: 4, OK: 1}
	if got := measured(s, sum).goodput(); got.Before != 0.9 || *got.After != 0.25 {
		t.Errorf("got %+v, want 0.9 and 0.25", got)
	}
}

// An error is silent about a write when that was sent, or when a server has applied
// it, whatever the client knows.
func TestErrorsOfWritesAgainstWhatServersApplied(t *testing.T) {
	failed := protocol.Writes{Sent: 5, Unsent: 4, Overstated: 1, Silent: map[string]bool{"sent": true, "sent and applied": true, "applied": false, "neither": false}}
	m := measured(&scenario.Scenario{}, protocol.Tally{Failed: failed})
	if got, want := *m.writes(), (report.Writes{FailedSent: 5, FailedUnsent: 4, Unsaid: 2, Overstated: 1}); got != want {
		t.Errorf("of servers that were not asked: %+v, want %+v", got, want)
	}
	m.served = map[int]protocol.Served{1: {Applied: map[string]int{"applied": 1}}, 2: {Applied: map[string]int{"sent and applied": 2, "another": 1}}}
	if got := m.writes(); got.Unsaid != 3 {
		t.Errorf("errors are silent about %d writes, want 3", got.Unsaid)
	}
}

// Without layers nothing is known of who called whom; with them, the shares of
// servers that clients do not call are not measured.
func TestLayersHaveNoShares(t *testing.T) {
	s := &scenario.Scenario{
		Fleet: scenario.Fleet{Servers: 2, Layers: 2}, Load: scenario.Load{Duration: 20 * time.Second},
		Timeline: []scenario.Fault{
			{At: time.Second, Kind: scenario.Slow, Servers: []int{2}, Factor: 2},
			{At: 9 * time.Second, Kind: scenario.Recover, Servers: []int{2}},
		},
	}
	streams := protocol.Streams{}
	steady(streams, 0, 20*time.Second, 1)
	m := measured(s, protocol.Tally{Streams: streams})
	if m.badShare() != nil || m.returned() != nil {
		t.Errorf("the bad share is %s, returned after %s", value(m.badShare()), value(m.returned()))
	}
}

// What is asked of servers depends on the arm and the layer.
func TestOrdersOfLayers(t *testing.T) {
	s := &scenario.Scenario{
		Fleet: scenario.Fleet{Servers: 4, Layers: 2, Work: time.Millisecond, Concurrency: 3, SlowPercent: 4, SlowWork: time.Second, MaxConnectionAge: time.Minute},
		Load:  scenario.Load{AttemptTimeout: 5 * time.Millisecond, OwnTimeout: 6 * time.Millisecond},
	}
	contract := scenario.Contract{Text: "  methods: {}\n", Line: 2, Indent: 2}
	order := func(client scenario.Client, n int) protocol.ServeOrder {
		f := &fleet{world: &loopbackWorld{second: 77}, scenario: s, arm: scenario.Arm{Name: "an arm", Client: client, Contract: contract}}
		return f.order(n)
	}
	top := order(scenario.Surefoot, 2)
	if top.Plain || top.MaxAge != 0 || top.Work != time.Millisecond || top.Concurrency != 3 || top.SlowPercent != 4 || top.SlowWork != time.Second {
		t.Errorf("the top is told %+v", top)
	}
	want := protocol.Further{
		Client: "surefoot", Target: "dns://127.77.0.53:5353/layer-2.lab.svc.cluster.local.:7443",
		Contract:       "contracts:\n- service_name: inventory.v1.Inventory\n  methods: {}\n",
		AttemptTimeout: 5 * time.Millisecond, Timeout: 6 * time.Millisecond,
	}
	if top.Next == nil || *top.Next != want {
		t.Errorf("the top calls %+v, want %+v", top.Next, want)
	}
	if bottom := order(scenario.Surefoot, 3); bottom.Next != nil {
		t.Errorf("the bottom calls %+v", bottom.Next)
	}
	if aged := order(scenario.GRPCMaxAge, 1); !aged.Plain || aged.MaxAge != time.Minute || aged.Next.Client != string(scenario.GRPCMaxAge) {
		t.Errorf("the top is told %+v", aged)
	}
	s.Fleet.Layers = 1
	if single := order(scenario.GRPCRoundRobin, 4); single.Plain || single.Next != nil {
		t.Errorf("a fleet of one layer is told %+v", single)
	}
}

// An arm with writes says so even when all was well.
func TestArmReportOfWrites(t *testing.T) {
	s := &scenario.Scenario{Fleet: scenario.Fleet{Servers: 1, Layers: 1}, Load: scenario.Load{Writes: 50}}
	e := evidence{fault: make(chan protocol.Instant), address: func(int) string { return "" }, served: map[int]protocol.Served{1: {Applied: map[string]int{"a": 3}}}}
	got, err := armReport(scenario.Arm{Name: "a", Client: scenario.GRPC}, s, protocol.Tally{Calls: 9, OK: 5, Reads: protocol.Goodput{Calls: 4, OK: 2}}, e)
	if err != nil || *got.FailedIdempotent != 2 || *got.AppliedTwice != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	e.served = nil
	if got, err = armReport(scenario.Arm{}, s, protocol.Tally{}, e); err != nil || got.FailedIdempotent == nil || got.AppliedTwice != nil {
		t.Errorf("of servers that were not asked: %+v, %v", got, err)
	}
}
