package call_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/policy"
)

var _ grpc.CallOption = call.Option{}

func TestEachOptionNarrowsItsField(t *testing.T) {
	contract := policy.Method{
		Deadline:       2 * time.Second,
		AttemptTimeout: 250 * time.Millisecond,
		Safety:         policy.Idempotent,
		Retry:          policy.Retry{MaxAttempts: 3, Codes: 1 << 10, Backoff: policy.Backoff{Base: 1, Max: 2}},
	}
	none := policy.Method{Retry: policy.Retry{MaxAttempts: 3}}
	grows := contract
	grows.DeadlinePerKiB, grows.AttemptTimeoutPerKiB = 1, 1
	hedged := contract
	hedged.Hedge = policy.Hedge{Delay: 1, MaxHedges: 2}
	seen := contract
	seen.DeadlineObserved = policy.Observed{QuantilePermille: 990, FactorPercent: 200, Ceiling: time.Minute}
	seen.AttemptTimeoutObserved = seen.DeadlineObserved
	for _, c := range []struct {
		name   string
		m      policy.Method
		o      call.Option
		change func(*policy.Method)
	}{
		{"no hedge", hedged, call.NoHedge(), func(m *policy.Method) { m.Hedge = policy.Hedge{} }},
		{"no retry, which a hedge is", hedged, call.NoRetry(), func(m *policy.Method) {
			m.Retry.MaxAttempts, m.AttemptTimeout, m.Hedge = 1, 0, policy.Hedge{}
		}},
		{"no retry where the timeout is observed", seen, call.NoRetry(), func(m *policy.Method) {
			m.Retry.MaxAttempts, m.AttemptTimeout, m.AttemptTimeoutObserved = 1, 0, policy.Observed{}
		}},
		{"a deadline where it is observed", seen, call.Deadline(time.Hour), func(m *policy.Method) { m.MaxDeadline = time.Hour }},
		{"an attempt where it is observed", seen, call.AttemptTimeout(time.Hour), func(m *policy.Method) { m.MaxAttemptTimeout = time.Hour }},
		{"nothing", contract, call.Option{}, func(*policy.Method) {}},
		{"no retry", contract, call.NoRetry(), func(m *policy.Method) { m.Retry.MaxAttempts, m.AttemptTimeout = 1, 0 }},
		{"a shorter deadline", contract, call.Deadline(time.Second), func(m *policy.Method) { m.Deadline = time.Second }},
		{"a longer deadline", contract, call.Deadline(time.Hour), func(*policy.Method) {}},
		{"the same deadline", contract, call.Deadline(2 * time.Second), func(*policy.Method) {}},
		{"no deadline", contract, call.Deadline(0), func(*policy.Method) {}},
		{"a negative deadline", contract, call.Deadline(-1), func(*policy.Method) {}},
		{"a deadline where there is none", none, call.Deadline(time.Hour), func(m *policy.Method) { m.Deadline = time.Hour }},
		{"a deadline where it grows with the request", grows, call.Deadline(time.Hour), func(m *policy.Method) { m.MaxDeadline = time.Hour }},
		{"a shorter one", grows, call.Deadline(time.Second), func(m *policy.Method) { m.Deadline, m.MaxDeadline = time.Second, time.Second }},
		{"an attempt where it grows with the request", grows, call.AttemptTimeout(time.Hour), func(m *policy.Method) { m.MaxAttemptTimeout = time.Hour }},
		{"a shorter one", grows, call.AttemptTimeout(1), func(m *policy.Method) { m.AttemptTimeout, m.MaxAttemptTimeout = 1, 1 }},
		{"a shorter attempt", contract, call.AttemptTimeout(1), func(m *policy.Method) { m.AttemptTimeout = 1 }},
		{"a longer attempt", contract, call.AttemptTimeout(time.Second), func(*policy.Method) {}},
		{"no attempt timeout", contract, call.AttemptTimeout(0), func(*policy.Method) {}},
		{"a negative one", contract, call.AttemptTimeout(-1), func(*policy.Method) {}},
		{"one where there is none", none, call.AttemptTimeout(time.Second), func(m *policy.Method) { m.AttemptTimeout = time.Second }},
	} {
		want := c.m
		c.change(&want)
		if got := call.Apply(c.m, c.o); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

// noLonger reports whether a is at most b, where zero is no bound.
func noLonger(a, b time.Duration) bool { return b == 0 || a != 0 && a <= b }

func TestACallOnlyNarrows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	random := func() time.Duration { return time.Duration(rnd.IntN(8)-2) * time.Second } // often none, or senseless
	for range 20_000 {
		m := policy.Method{
			Deadline:       max(random(), 0),
			AttemptTimeout: max(random(), 0),

			DeadlinePerKiB:       max(random(), 0),
			AttemptTimeoutPerKiB: max(random(), 0),

			Safety:    policy.Safety(rnd.IntN(3)),
			Streaming: rnd.IntN(2) == 0,
			Retry: policy.Retry{
				MaxAttempts: 1 + rnd.IntN(policy.MaxAttemptsLimit),
				Codes:       policy.CodeSet(rnd.Uint32()),
				Backoff:     policy.Backoff{Base: max(random(), 0), Max: max(random(), 0)},
			},
		}
		got := m
		for range rnd.IntN(5) {
			before := got
			switch rnd.IntN(4) {
			case 0:
				got = call.Apply(got, call.NoRetry())
			case 1:
				got = call.Apply(got, call.Deadline(random()))
			case 2:
				got = call.Apply(got, call.AttemptTimeout(random()))
			case 3:
				got = call.Apply(got, call.Option{})
			}
			size := rnd.IntN(5000)
			deadline := func(m policy.Method) time.Duration {
				return policy.Sized(m.Deadline, m.DeadlinePerKiB, m.MaxDeadline, size)
			}
			timeout := func(m policy.Method) time.Duration {
				return policy.Sized(m.AttemptTimeout, m.AttemptTimeoutPerKiB, m.MaxAttemptTimeout, size)
			}
			attemptsOff := got.Retry.MaxAttempts == 1 // then no attempt is cut short
			if !noLonger(deadline(got), deadline(before)) || got.Retry.MaxAttempts > before.Retry.MaxAttempts ||
				!attemptsOff && !noLonger(timeout(got), timeout(before)) {
				t.Fatalf("%+v became %+v", before, got)
			}
		}
		// A call has no say in anything else.
		got.Deadline, got.AttemptTimeout, got.Retry.MaxAttempts = m.Deadline, m.AttemptTimeout, m.Retry.MaxAttempts
		got.MaxDeadline, got.MaxAttemptTimeout = 0, 0
		if got != m {
			t.Fatalf("%+v became %+v", m, got)
		}
	}
}

func TestAKeyIsTheOptions(t *testing.T) {
	for key, o := range map[string]call.Option{"a": call.WithIdempotencyKey("a"), "": call.NoRetry()} {
		if got := o.IdempotencyKey(); got != key {
			t.Errorf("%q, want %q", got, key)
		}
		if m := (policy.Method{Deadline: 1}); key != "" && call.Apply(m, o) != m {
			t.Errorf("a key narrows: %+v", call.Apply(m, o))
		}
	}
}

func TestOptionsMayComeInAnyOrder(t *testing.T) {
	options := []call.Option{call.Deadline(time.Second), call.Deadline(2 * time.Second), call.NoRetry()}
	m := policy.Method{Deadline: 3 * time.Second, AttemptTimeout: time.Second, Retry: policy.Retry{MaxAttempts: 3}}
	want := policy.Method{Deadline: time.Second, Retry: policy.Retry{MaxAttempts: 1}}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		got := m
		for _, i := range order {
			got = call.Apply(got, options[i])
		}
		if got != want {
			t.Errorf("order %v: %+v, want %+v", order, got, want)
		}
	}
}
