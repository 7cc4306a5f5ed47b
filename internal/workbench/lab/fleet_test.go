package lab

import (
	"context"
	"net/netip"
	"slices"
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
			f := &fleet{world: w, names: names, dns: scenario.DNS{DelistAfter: test.after}, keep: map[int]context.CancelFunc{}}
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
	f := &fleet{world: &loopbackWorld{}, names: &nameserver{}, dns: scenario.DNS{DelistAfter: time.Hour}, keep: map[int]context.CancelFunc{}}
	f.delistLater(ctx, 1)
	cancel()
	f.stop()
}

func TestUnknownFaultIsRefused(t *testing.T) {
	f := &fleet{world: &loopbackWorld{}}
	const want = `the lab cannot do the fault "melt"`
	if err := f.strike(t.Context(), "melt", 1); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
