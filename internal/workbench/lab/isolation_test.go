package lab

import (
	"slices"
	"syscall"
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func TestParseIsolation(t *testing.T) {
	for _, name := range []string{"", "namespaces", "loopback"} {
		if got, err := ParseIsolation(name); err != nil || string(got) != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	const want = `unknown isolation "moon": use namespaces or loopback`
	if _, err := ParseIsolation("moon"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The best way comes first, and only real root may go without a user namespace.
func TestWays(t *testing.T) {
	tests := []struct {
		name string
		want Isolation
		euid int
		ways []string
	}{
		{"user", "", 1000, []string{"user, network, process and mount namespaces", "loopback addresses of this machine"}},
		{"root", "", 0, []string{
			"user, network, process and mount namespaces",
			"network, process and mount namespaces as root", "loopback addresses of this machine",
		}},
		{"loopback was asked for", Loopback, 0, []string{"loopback addresses of this machine"}},
	}
	for _, test := range tests {
		var labels []string
		for _, w := range ways(test.want, test.euid) {
			labels = append(labels, w.label)
			private := w.attr().Cloneflags&syscall.CLONE_NEWNET != 0
			if private != (w.isolation == Namespaces) {
				t.Errorf("%s: %s is of the isolation %s and has a network of its own: %v", test.name, w.label, w.isolation, private)
			}
		}
		if !slices.Equal(labels, test.ways) {
			t.Errorf("%s: got %q, want %q", test.name, labels, test.ways)
		}
	}
}

func TestOnlyNetworkFaultsNeedNamespaces(t *testing.T) {
	for _, kind := range scenario.FaultKinds() {
		s := &scenario.Scenario{Timeline: []scenario.Fault{{Kind: scenario.Kill}, {Kind: kind}}}
		private, loopback := &Lab{way: way{isolation: Namespaces}}, &Lab{way: way{isolation: Loopback}}
		if why := private.cannot(s); why != "" {
			t.Errorf("%s in namespaces: %s", kind, why)
		}
		want := ""
		if kind == scenario.SilentDrop || kind == scenario.Heal {
			want = "the fault " + string(kind) + " needs a network namespace"
		}
		if why := loopback.cannot(s); why != want {
			t.Errorf("%s on loopback: %q, want %q", kind, why, want)
		}
		if s.DropsPackets() != (want != "") {
			t.Errorf("%s drops packets: %v", kind, s.DropsPackets())
		}
	}
}

func TestWorldsGiveEachServerAnAddress(t *testing.T) {
	for name, w := range map[string]world{"private": &privateWorld{}, "loopback": &loopbackWorld{second: 77}} {
		seen := map[string]int{w.nameserver().Addr().String(): 0}
		for n := 1; n <= 1000; n++ {
			at := w.address(n).String()
			if other, taken := seen[at]; taken {
				t.Fatalf("%s: servers %d and %d both live at %s", name, other, n, at)
			}
			seen[at] = n
		}
		if name == "loopback" != w.address(1).IsLoopback() {
			t.Errorf("%s: server 1 lives at %s", name, w.address(1))
		}
	}
	if err := (&loopbackWorld{}).silence((&loopbackWorld{}).address(1)); err == nil {
		t.Error("a server on loopback was silenced")
	}
}

// Two runs of the lab on one machine do not meet.
func TestLoopbackWorldsKeepApart(t *testing.T) {
	first, err := newLoopbackWorld()
	if err != nil {
		t.Fatal(err)
	}
	names, err := startNameserver(t.Context(), first.nameserver(), 0, 0, oneLayer)
	if err != nil {
		t.Fatal(err)
	}
	defer names.close()
	second, err := newLoopbackWorld()
	if err != nil {
		t.Fatal(err)
	}
	if first.second == second.second {
		t.Errorf("both live in 127.%d.0.0/16", first.second)
	}
}
