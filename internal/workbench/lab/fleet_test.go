package lab

import (
	"context"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func listed(s *nameserver) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.listed)
}

// A dead server leaves DNS when the scenario says so, and not when it has come
// back before.
func TestDelisting(t *testing.T) {
	w := &loopbackWorld{second: 77}
	tests := []struct {
		name  string
		after time.Duration
		back  bool // it is restarted
		want  []netip.Addr
	}{
		{"in time", time.Millisecond, false, []netip.Addr{w.address(2)}},
		{"never", 0, false, []netip.Addr{w.address(1), w.address(2)}},
		{"called off", time.Hour, true, []netip.Addr{w.address(1), w.address(2)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			names := &nameserver{}
			names.list(w.address(1), w.address(2))
			f := &fleet{world: w, registry: dnsRegistry{names}, scenario: &scenario.Scenario{DNS: scenario.DNS{DelistAfter: test.after}}, keep: map[int]context.CancelFunc{}}
			f.delistLater(t.Context(), 1)
			if test.back {
				f.keep[1]()
			}
			f.delisting.Wait()
			f.keep[1]()
			if got := listed(names); !slices.Equal(got, test.want) {
				t.Errorf("%v are listed, want %v", got, test.want)
			}
		})
	}
}

// The end of a run does not wait for the registry.
func TestDelistingEndsWithTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fleet{world: &loopbackWorld{}, registry: dnsRegistry{&nameserver{}}, scenario: &scenario.Scenario{DNS: scenario.DNS{DelistAfter: time.Hour}}, keep: map[int]context.CancelFunc{}}
	f.delistLater(ctx, 1)
	cancel()
	f.stop()
}

func TestFleetLivesAndDies(t *testing.T) {
	w := &loopbackWorld{second: 77}
	children := newSpawner()
	defer children.close()
	names := &nameserver{}
	f := &fleet{
		world: w, names: names, registry: dnsRegistry{names}, children: children, args: []string{pod}, scenario: &scenario.Scenario{DNS: scenario.DNS{DelistAfter: time.Millisecond}},
		servers: map[int]*program{}, keep: map[int]context.CancelFunc{}, accidents: make(chan error, 1),
	}
	defer f.stop()
	wantListed := func(when string, servers ...int) {
		t.Helper()
		var want []netip.Addr
		for _, n := range servers {
			want = append(want, w.address(n))
		}
		if got := listed(f.names); !slices.Equal(got, want) {
			t.Errorf("%s %v are listed, want %v", when, got, want)
		}
	}
	strike := func(kind scenario.FaultKind, servers ...int) {
		t.Helper()
		if err := f.strike(t.Context(), scenario.Fault{Kind: kind, Servers: servers}); err != nil {
			t.Fatal(err)
		}
	}
	all := make([]int, startTogether+1)
	for i := range all {
		all[i] = i + 1
	}
	if err := f.start(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	wantListed("at the start", all...)

	dead, other := f.servers[1], f.servers[4]
	strike(scenario.Kill, 1, 4)
	<-dead.exited
	<-other.exited
	f.delisting.Wait()
	rest := slices.DeleteFunc(slices.Clone(all), func(n int) bool { return n == 1 || n == 4 })
	wantListed("after the kill", rest...)
	strike(scenario.Restart, 1, 4)
	wantListed("after the restart", append(rest, 1, 4)...)
	if f.servers[1] == dead || f.servers[4] == other {
		t.Error("the dead servers were not replaced")
	}
	strike(scenario.Stop, 2)
	strike(scenario.Continue, 2)
	if err := f.strike(t.Context(), scenario.Fault{Kind: scenario.SilentDrop, Servers: []int{2}}); err == nil {
		t.Error("packets were dropped on the machine's own loopback")
	}
	late := startTogether + 2
	strike(scenario.Join, late)
	wantListed("after a server joined", append(rest, 1, 4, late)...)
	for _, kind := range []scenario.FaultKind{scenario.Slow, scenario.Answer, scenario.LoseReply, scenario.Recover} {
		strike(kind, late)
	}
	select {
	case err := <-f.accidents:
		t.Errorf("what was meant is told as an accident: %v", err)
	default:
	}

	// A server that ends by itself ends the run, because what was measured then
	// is not what the scenario says.
	if err := f.servers[3].signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	const want = "server 3 ended unasked, signal: killed"
	if err := <-f.accidents; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUnknownFaultIsRefused(t *testing.T) {
	f := &fleet{world: &loopbackWorld{}}
	const want = `the lab cannot do the fault "melt"`
	if err := f.strike(t.Context(), scenario.Fault{Kind: "melt", Servers: []int{1}}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
