package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestTheHouseBreakerIsValidAndComparable(t *testing.T) {
	b := policy.HouseBreaker()
	if err := b.Validate(); err != nil {
		t.Error(err)
	}
	if b != policy.HouseBreaker() {
		t.Error("the same policy is not equal to itself")
	}
	if !b.Trips() || !b.Throttles() {
		t.Error("it does nothing")
	}
	b.Off = true
	if b.Trips() || b.Throttles() {
		t.Error("it is off and does something")
	}
}

func TestTheZeroBreakerIsOff(t *testing.T) {
	var b policy.Breaker
	if err := b.Validate(); err != nil {
		t.Error(err)
	}
	if b.Trips() || b.Throttles() || b.MaxInFlight != 0 {
		t.Error("it does something")
	}
}

func TestValidateABreaker(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*policy.Breaker)
		want   []string
	}{
		{"only failures in a row", func(b *policy.Breaker) {
			*b = policy.Breaker{ConsecutiveFailures: 5, Window: time.Second, Open: time.Second, Trials: 1, Successes: 1}
		}, nil},
		{"failures in a row without a window", func(b *policy.Breaker) {
			*b = policy.Breaker{ConsecutiveFailures: 5, Open: time.Second, Trials: 1, Successes: 1}
		}, []string{"window_ms"}},
		{"only a limit in flight", func(b *policy.Breaker) { *b = policy.Breaker{MaxInFlight: 1} }, nil},
		{"only a throttle", func(b *policy.Breaker) {
			*b = policy.Breaker{Window: time.Second, MinCalls: 3, Throttle: policy.Throttle{AcceptPercent: 110, MaxPercent: 1}}
		}, nil},
		{"a throttle of nothing else", func(b *policy.Breaker) {
			*b = policy.Breaker{Throttle: policy.Throttle{AcceptPercent: 200, MaxPercent: 90}}
		}, []string{"min_calls", "window_ms"}},
		{"the least window", func(b *policy.Breaker) { b.Window = time.Second }, nil},
		{"a shorter window", func(b *policy.Breaker) { b.Window = time.Second - 1 }, []string{"window_ms"}},
		{"the longest window", func(b *policy.Breaker) { b.Window = time.Hour }, nil},
		{"a longer window", func(b *policy.Breaker) { b.Window = time.Hour + 1 }, []string{"window_ms"}},
		{"a negative window that is not used", func(b *policy.Breaker) { *b = policy.Breaker{Window: -1} }, []string{"window_ms"}},
		{"3 calls", func(b *policy.Breaker) { b.MinCalls = 3 }, nil},
		{"2 calls", func(b *policy.Breaker) { b.MinCalls = 2 }, []string{"min_calls"}},
		{"2 calls for a throttle", func(b *policy.Breaker) { b.MinCalls, b.FailurePercent = 2, 0 }, []string{"min_calls"}},
		{"negative calls", func(b *policy.Breaker) { *b = policy.Breaker{MinCalls: -1} }, []string{"min_calls"}},
		{"never by a rate", func(b *policy.Breaker) { b.FailurePercent = 0 }, nil},
		{"all calls", func(b *policy.Breaker) { b.FailurePercent = 100 }, nil},
		{"more than all calls", func(b *policy.Breaker) { b.FailurePercent = 101 }, []string{"failure_percent"}},
		{"a negative percentage", func(b *policy.Breaker) { b.FailurePercent = -1 }, []string{"failure_percent"}},
		{"negative failures", func(b *policy.Breaker) { b.ConsecutiveFailures = -1 }, []string{"consecutive_failures"}},
		{"open for no time", func(b *policy.Breaker) { b.Open = 0 }, []string{"open_ms"}},
		{"open for less than a millisecond", func(b *policy.Breaker) { b.Open = time.Millisecond - 1 }, []string{"open_ms"}},
		{"open for a millisecond", func(b *policy.Breaker) { b.Open = time.Millisecond }, nil},
		{"open for a negative time that is not used", func(b *policy.Breaker) { *b = policy.Breaker{Open: -1} }, []string{"open_ms"}},
		{"never longer", func(b *policy.Breaker) { b.MaxOpen = 0 }, nil},
		{"as long", func(b *policy.Breaker) { b.MaxOpen = b.Open }, nil},
		{"shorter", func(b *policy.Breaker) { b.MaxOpen = b.Open - 1 }, []string{"max_open_ms"}},
		{"a negative longest time", func(b *policy.Breaker) { b.MaxOpen = -1 }, []string{"max_open_ms"}},
		{"no trials", func(b *policy.Breaker) { b.Trials = 0 }, []string{"trials"}},
		{"negative trials that are not used", func(b *policy.Breaker) { *b = policy.Breaker{Trials: -1} }, []string{"trials"}},
		{"no success", func(b *policy.Breaker) { b.Successes = 0 }, []string{"successes"}},
		{"negative successes that are not used", func(b *policy.Breaker) { *b = policy.Breaker{Successes: -1} }, []string{"successes"}},
		{"more successes than trials at once", func(b *policy.Breaker) { b.Trials, b.Successes = 1, 10 }, nil},
		{"no throttle", func(b *policy.Breaker) { b.Throttle = policy.Throttle{} }, nil},
		{"the least throttle", func(b *policy.Breaker) { b.Throttle.AcceptPercent = 110 }, nil},
		{"less", func(b *policy.Breaker) { b.Throttle.AcceptPercent = 109 }, []string{"throttle.accept_percent"}},
		{"a negative throttle", func(b *policy.Breaker) { b.Throttle.AcceptPercent = -1 }, []string{"throttle.accept_percent"}},
		{"ten calls for one", func(b *policy.Breaker) { b.Throttle.AcceptPercent = 1000 }, nil},
		{"more", func(b *policy.Breaker) { b.Throttle.AcceptPercent = 1001 }, []string{"throttle.accept_percent"}},
		{"99 of a hundred", func(b *policy.Breaker) { b.Throttle.MaxPercent = 99 }, nil},
		{"all", func(b *policy.Breaker) { b.Throttle.MaxPercent = 100 }, []string{"throttle.max_percent"}},
		{"none", func(b *policy.Breaker) { b.Throttle.MaxPercent = 0 }, []string{"throttle.max_percent"}},
		{"less than none", func(b *policy.Breaker) { b.Throttle = policy.Throttle{MaxPercent: -1} }, []string{"throttle.max_percent"}},
		{"a negative number in flight", func(b *policy.Breaker) { b.MaxInFlight = -1 }, []string{"max_in_flight"}},
		{"all at once", func(b *policy.Breaker) { b.MinCalls, b.Trials, b.MaxInFlight = 0, 0, -1 }, []string{"max_in_flight", "min_calls", "trials"}},
	} {
		b := policy.HouseBreaker()
		c.change(&b)
		for i := range c.want {
			c.want[i] = "breaker." + c.want[i]
		}
		if got := fields(t, b.Validate()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnOpeningDoublesUpToItsMax(t *testing.T) {
	b := policy.Breaker{Open: time.Second, MaxOpen: 5 * time.Second}
	for n, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := b.Ceiling(n); got != want {
			t.Errorf("opening %d: %v, want %v", n, got, want)
		}
	}
	b.MaxOpen = 0
	if got := b.Ceiling(3); got != time.Second {
		t.Errorf("without a max: %v", got)
	}
}
