package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestHouseEjectionAndLivenessAreValidAndComparable(t *testing.T) {
	e, l := policy.HouseEjection(), policy.HouseLiveness()
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	if err := l.Validate(); err != nil {
		t.Error(err)
	}
	if err := (policy.Ejection{}).Validate(); err != nil {
		t.Errorf("zero: %v", err)
	}
	if err := (policy.Liveness{}).Validate(); err != nil {
		t.Errorf("zero: %v", err)
	}
	if e != policy.HouseEjection() || l != policy.HouseLiveness() {
		t.Error("the same policy is not equal to itself")
	}
}

func TestValidateAnEjection(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*policy.Ejection)
		want   []string
	}{
		{"no rule", func(e *policy.Ejection) { *e = policy.Ejection{MinRequests: 2} }, nil},
		{"never by failures in a row", func(e *policy.Ejection) { e.ConsecutiveFailures = 0 }, nil},
		{"negative failures", func(e *policy.Ejection) { e.ConsecutiveFailures = -1 }, []string{"consecutive_failures"}},
		{"3 requests", func(e *policy.Ejection) { e.MinRequests = 3 }, nil},
		{"2 requests", func(e *policy.Ejection) { e.MinRequests = 2 }, []string{"min_requests"}},
		{"2 requests for a latency", func(e *policy.Ejection) { e.MinRequests, e.FailurePercent = 2, 0 }, []string{"min_requests"}},
		{"2 requests for no rule", func(e *policy.Ejection) { e.MinRequests, e.FailurePercent, e.LatencyPercent = 2, 0, 0 }, nil},
		{"negative requests", func(e *policy.Ejection) { *e = policy.Ejection{MinRequests: -1} }, []string{"min_requests"}},
		{"all failures", func(e *policy.Ejection) { e.FailurePercent = 100 }, nil},
		{"more than all failures", func(e *policy.Ejection) { e.FailurePercent = 101 }, []string{"failure_percent"}},
		{"a negative percentage", func(e *policy.Ejection) { e.FailurePercent = -1 }, []string{"failure_percent"}},
		{"no distance", func(e *policy.Ejection) { e.FailureDistance = 0 }, nil},
		{"a distance of 100", func(e *policy.Ejection) { e.FailureDistance = 100 }, nil},
		{"a distance of 101", func(e *policy.Ejection) { e.FailureDistance = 101 }, []string{"failure_distance_percent"}},
		{"a negative distance", func(e *policy.Ejection) { e.FailureDistance = -1 }, []string{"failure_distance_percent"}},
		{"never by latency", func(e *policy.Ejection) { e.LatencyPercent = 0 }, nil},
		{"half as slow again", func(e *policy.Ejection) { e.LatencyPercent = 150 }, nil},
		{"hardly slower", func(e *policy.Ejection) { e.LatencyPercent = 149 }, []string{"latency_percent"}},
		{"no floor", func(e *policy.Ejection) { e.LatencyFloor = 0 }, nil},
		{"a negative floor", func(e *policy.Ejection) { e.LatencyFloor = -1 }, []string{"latency_floor_ms"}},
		{"no base", func(e *policy.Ejection) { e.Base = 0 }, []string{"base_ms"}},
		{"no base, off", func(e *policy.Ejection) { e.Base, e.Off = 0, true }, nil},
		{"a negative base, off", func(e *policy.Ejection) { e.Base, e.Off = -1, true }, []string{"base_ms"}},
		{"a max that is the base", func(e *policy.Ejection) { e.Max = e.Base }, nil},
		{"a max below the base", func(e *policy.Ejection) { e.Max = e.Base - 1 }, []string{"max_ms"}},
		{"a negative max", func(e *policy.Ejection) { *e = policy.Ejection{Base: -2, Max: -1} }, []string{"base_ms", "max_ms"}},
		{"nobody may be out", func(e *policy.Ejection) { e.MaxPercent = 0 }, nil},
		{"all may be out", func(e *policy.Ejection) { e.MaxPercent = 100 }, nil},
		{"more than all", func(e *policy.Ejection) { e.MaxPercent = 101 }, []string{"max_percent"}},
		{"less than nobody", func(e *policy.Ejection) { e.MaxPercent = -1 }, []string{"max_percent"}},
	} {
		e := policy.HouseEjection()
		c.change(&e)
		for i := range c.want {
			c.want[i] = "balance.ejection." + c.want[i]
		}
		if got := fields(t, e.Validate()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestValidateALiveness(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*policy.Liveness)
		want   []string
	}{
		{"never", func(l *policy.Liveness) { l.Silence, l.ProbeTimeout = 0, 0 }, nil},
		{"the least silence", func(l *policy.Liveness) { l.Silence = 20 * ms }, nil},
		{"less", func(l *policy.Liveness) { l.Silence = 20*ms - 1 }, []string{"silence_ms"}},
		{"a negative silence", func(l *policy.Liveness) { l.Silence = -1 }, []string{"silence_ms"}},
		{"the least probe", func(l *policy.Liveness) { l.ProbeTimeout = 20 * ms }, nil},
		{"a shorter probe", func(l *policy.Liveness) { l.ProbeTimeout = 20*ms - 1 }, []string{"probe_timeout_ms"}},
		{"a negative probe that is never made", func(l *policy.Liveness) { l.Silence, l.ProbeTimeout = 0, -1 }, []string{"probe_timeout_ms"}},
		{"all of them", func(l *policy.Liveness) { l.MaxPercent = 100 }, nil},
		{"more", func(l *policy.Liveness) { l.MaxPercent = 101 }, []string{"max_percent"}},
		{"less than none", func(l *policy.Liveness) { l.MaxPercent = -1 }, []string{"max_percent"}},
	} {
		l := policy.HouseLiveness()
		c.change(&l)
		for i := range c.want {
			c.want[i] = "connection.liveness." + c.want[i]
		}
		if got := fields(t, l.Validate()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnEjectionDoublesUpToItsMax(t *testing.T) {
	e := policy.Ejection{Base: time.Second, Max: 5 * time.Second}
	for n, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := e.Ceiling(n); got != want {
			t.Errorf("ejection %d: %v, want %v", n, got, want)
		}
	}
}
