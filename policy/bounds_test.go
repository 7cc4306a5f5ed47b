package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// A bound is what a value may be, beside house defaults that hold.
type bound struct {
	field    string
	good     []int // its least and its most among them
	bad      []int // the next ones beyond
	inMethod func(m *policy.Method, v int)
	inStream func(m *policy.Method, v int)
	in       func(c *policy.Channel, v int)
}

func TestTheLeastAndTheMostOfEachValue(t *testing.T) {
	const hour = 3_600_000
	for _, b := range []bound{
		{field: "deadline_ms", good: []int{0, 1, 10}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.Deadline = ms * time.Duration(v) }},
		{field: "attempt_timeout_ms", good: []int{0, 1, 10_000}, bad: []int{-1, 10_001}, inMethod: func(m *policy.Method, v int) { m.AttemptTimeout = ms * time.Duration(v) }},
		{field: "deadline_margin_ms", good: []int{0, 1}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.DeadlineMargin = ms * time.Duration(v) }},
		{field: "wait_for_ready_ms", good: []int{0, 1}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.WaitForReady = ms * time.Duration(v) }},
		{field: "deadline_per_kib_us", good: []int{0, 1}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.DeadlinePerKiB = ms * time.Duration(v) }},
		{field: "retry.max_attempts", good: []int{1, policy.MaxAttemptsLimit}, bad: []int{0, policy.MaxAttemptsLimit + 1}, inMethod: func(m *policy.Method, v int) { m.Retry.MaxAttempts = v }},
		{field: "retry.max_elapsed_ms", good: []int{0, 1}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.Retry.MaxElapsed = ms * time.Duration(v) }},
		{field: "retry.backoff.base_ms", good: []int{0, 1, 1000}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.Retry.Backoff.Base = ms * time.Duration(v) }},
		{field: "retry.backoff.max_ms", good: []int{0, 25}, bad: []int{-1, 24}, inMethod: func(m *policy.Method, v int) { m.Retry.Backoff.Max = ms * time.Duration(v) }},
		{field: "hedge.extra_load_percent", good: []int{0, 1, 50}, bad: []int{-1, 51}, inMethod: func(m *policy.Method, v int) { m.Hedge.ExtraLoadPercent = v }},
		{field: "hedge.max_hedges", good: []int{0, 1, policy.MaxAttemptsLimit - 1}, bad: []int{-1, policy.MaxAttemptsLimit}, inMethod: func(m *policy.Method, v int) { m.Hedge.MaxHedges = v }},
		{field: "hedge.delay_ms", good: []int{0, 1, 9999}, bad: []int{-1, 10_000}, inMethod: func(m *policy.Method, v int) { m.Hedge.Delay = ms * time.Duration(v) }},
		{field: "hedge.delay_ms", good: []int{499}, bad: []int{500}, inMethod: func(m *policy.Method, v int) {
			m.AttemptTimeout, m.Hedge.Delay = ms*time.Duration(500), ms*time.Duration(v)
		}},
		{field: "deadline_observed.quantile_permille", good: []int{0, 1, 999}, bad: []int{-1, 1000}, inMethod: func(m *policy.Method, v int) { m.DeadlineObserved.QuantilePermille = v }},
		{field: "deadline_observed.factor_percent", good: []int{100, 1000}, bad: []int{-1, 99, 1001}, inMethod: func(m *policy.Method, v int) {
			m.DeadlineObserved.QuantilePermille, m.DeadlineObserved.FactorPercent = 990, v
		}},
		{field: "deadline_observed.floor_ms", good: []int{0, 500}, bad: []int{-1, 501}, inMethod: func(m *policy.Method, v int) {
			m.DeadlineObserved.Floor, m.DeadlineObserved.Ceiling = ms*time.Duration(v), ms*time.Duration(500)
		}},
		{field: "deadline_observed.ceiling_ms", good: []int{0, 100}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.DeadlineObserved.Ceiling = ms * time.Duration(v) }},
		{field: "attempt_timeout_observed.ceiling_ms", good: []int{20}, bad: []int{0}, inMethod: func(m *policy.Method, v int) {
			m.AttemptTimeoutObserved.QuantilePermille, m.AttemptTimeoutObserved.Ceiling = 990, ms*time.Duration(v)
		}},

		{field: "breaker.window_ms", good: []int{1000, hour}, bad: []int{-1, 0, 999, hour + 1}, inMethod: func(m *policy.Method, v int) { m.Breaker.Window = ms * time.Duration(v) }},
		{field: "breaker.min_calls", good: []int{3}, bad: []int{-1, 0, 2}, inMethod: func(m *policy.Method, v int) { m.Breaker.MinCalls = v }},
		{field: "breaker.failure_percent", good: []int{0, 1, 100}, bad: []int{-1, 101}, inMethod: func(m *policy.Method, v int) { m.Breaker.FailurePercent = v }},
		{field: "breaker.consecutive_failures", good: []int{0, 1}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.Breaker.ConsecutiveFailures = v }},
		{field: "breaker.open_ms", good: []int{1}, bad: []int{-1, 0}, inMethod: func(m *policy.Method, v int) { m.Breaker.Open = ms * time.Duration(v) }},
		{field: "breaker.max_open_ms", good: []int{0, 5000}, bad: []int{-1, 4999}, inMethod: func(m *policy.Method, v int) { m.Breaker.MaxOpen = ms * time.Duration(v) }},
		{field: "breaker.trials", good: []int{1}, bad: []int{-1, 0}, inMethod: func(m *policy.Method, v int) { m.Breaker.Trials = v }},
		{field: "breaker.successes", good: []int{1}, bad: []int{-1, 0}, inMethod: func(m *policy.Method, v int) { m.Breaker.Successes = v }},
		{field: "breaker.throttle.accept_percent", good: []int{0, 110, 1000}, bad: []int{-1, 1, 109, 1001}, inMethod: func(m *policy.Method, v int) { m.Breaker.Throttle.AcceptPercent = v }},
		{field: "breaker.throttle.max_percent", good: []int{1, 99}, bad: []int{-1, 0, 100}, inMethod: func(m *policy.Method, v int) { m.Breaker.Throttle.MaxPercent = v }},
		{field: "breaker.max_in_flight", good: []int{0, 1}, bad: []int{-1}, inMethod: func(m *policy.Method, v int) { m.Breaker.MaxInFlight = v }},

		{field: "stream.silence_ms", good: []int{0, 1000}, bad: []int{-1, 1, 999}, inStream: func(m *policy.Method, v int) { m.Stream.Silence = ms * time.Duration(v) }},
		{field: "stream.first_message_timeout_ms", good: []int{0, 1}, bad: []int{-1}, inStream: func(m *policy.Method, v int) { m.Stream.FirstMessageTimeout = ms * time.Duration(v) }},
		{field: "stream.max_age_ms", good: []int{0, 1}, bad: []int{-1}, inStream: func(m *policy.Method, v int) { m.Stream.MaxAge = ms * time.Duration(v) }},
		{field: "stream.send_timeout_ms", good: []int{0, 1}, bad: []int{-1}, inStream: func(m *policy.Method, v int) { m.Stream.SendTimeout = ms * time.Duration(v) }},
		{field: "stream.resume.step", good: []int{0, 1}, bad: []int{-1}, inStream: func(m *policy.Method, v int) {
			m.Safety, m.Stream.Resume = policy.ReadOnly, policy.Resume{RequestField: "from", ResponseField: "at", Step: int64(v)}
		}},

		{field: "balance.least_request.choices", good: []int{2, 10}, bad: []int{-1, 0, 1, 11}, in: func(c *policy.Channel, v int) { c.Balance.Picker, c.Balance.Choices = policy.LeastRequest, v }},
		{field: "balance.consistent_hash.max_load_percent", good: []int{0, 101}, bad: []int{-1, 1, 100}, in: func(c *policy.Channel, v int) { c.Balance.HashMaxLoadPercent = v }},
		{field: "balance.subset.size", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Balance.SubsetSize = v }},
		{field: "balance.slow_start_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Balance.SlowStart = ms * time.Duration(v) }},
		{field: "balance.panic_percent", good: []int{0, 100}, bad: []int{-1, 101}, in: func(c *policy.Channel, v int) { c.Balance.PanicPercent = v }},
		{field: "balance.locality.overprovisioning_percent", good: []int{0, 100}, bad: []int{-1, 1, 99}, in: func(c *policy.Channel, v int) { c.Balance.OverprovisioningPercent = v }},
		{field: "balance.ejection.consecutive_failures", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.ConsecutiveFailures = v }},
		{field: "balance.ejection.min_requests", good: []int{3}, bad: []int{-1, 0, 2}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.MinRequests = v }},
		{field: "balance.ejection.failure_percent", good: []int{0, 1, 100}, bad: []int{-1, 101}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.FailurePercent = v }},
		{field: "balance.ejection.failure_distance_percent", good: []int{0, 100}, bad: []int{-1, 101}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.FailureDistance = v }},
		{field: "balance.ejection.latency_percent", good: []int{0, 150}, bad: []int{-1, 1, 149}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.LatencyPercent = v }},
		{field: "balance.ejection.latency_floor_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.LatencyFloor = ms * time.Duration(v) }},
		{field: "balance.ejection.base_ms", good: []int{1, 8000}, bad: []int{-1, 0}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.Base = ms * time.Duration(v) }},
		{field: "balance.ejection.max_ms", good: []int{4000}, bad: []int{-1, 0, 3999}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.Max = ms * time.Duration(v) }},
		{field: "balance.ejection.max_percent", good: []int{0, 100}, bad: []int{-1, 101}, in: func(c *policy.Channel, v int) { c.Balance.Ejection.MaxPercent = v }},

		{field: "retry_budget.ratio_percent", good: []int{0, 100}, bad: []int{-1, 101}, in: func(c *policy.Channel, v int) { c.Budget.RatioPercent = v }},
		{field: "retry_budget.min_per_second", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Budget.MinPerSecond = v }},
		{field: "retry_budget.window_ms", good: []int{1000, hour}, bad: []int{-1, 0, 999, hour + 1}, in: func(c *policy.Channel, v int) { c.Budget.Window = ms * time.Duration(v) }},
		{field: "connection.connect_timeout_ms", good: []int{1}, bad: []int{-1, 0}, in: func(c *policy.Channel, v int) { c.Connection.ConnectTimeout = ms * time.Duration(v) }},
		{field: "connection.keepalive_time_ms", good: []int{0, 10_000}, bad: []int{-1, 1, 9999}, in: func(c *policy.Channel, v int) { c.Connection.KeepaliveTime = ms * time.Duration(v) }},
		{field: "connection.keepalive_timeout_ms", good: []int{1}, bad: []int{-1, 0}, in: func(c *policy.Channel, v int) { c.Connection.KeepaliveTimeout = ms * time.Duration(v) }},
		{field: "connection.tcp_user_timeout_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Connection.TCPUserTimeout = ms * time.Duration(v) }},
		{field: "connection.max_age_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Connection.MaxAge = ms * time.Duration(v) }},
		{field: "connection.max_connecting", good: []int{1}, bad: []int{-1, 0}, in: func(c *policy.Channel, v int) { c.Connection.MaxConnecting = v }},
		{field: "connection.drain_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Connection.Drain = ms * time.Duration(v) }},
		{field: "connection.liveness.silence_ms", good: []int{0, 20}, bad: []int{-1, 1, 19}, in: func(c *policy.Channel, v int) { c.Connection.Liveness.Silence = ms * time.Duration(v) }},
		{field: "connection.liveness.probe_timeout_ms", good: []int{20}, bad: []int{-1, 0, 19}, in: func(c *policy.Channel, v int) { c.Connection.Liveness.ProbeTimeout = ms * time.Duration(v) }},
		{field: "connection.liveness.max_percent", good: []int{0, 100}, bad: []int{-1, 101}, in: func(c *policy.Channel, v int) { c.Connection.Liveness.MaxPercent = v }},
		{field: "discovery.min_ttl_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Discovery.MinTTL = ms * time.Duration(v) }},
		{field: "discovery.max_ttl_ms", good: []int{0, 2000}, bad: []int{-1, 1999}, in: func(c *policy.Channel, v int) {
			c.Discovery.MinTTL, c.Discovery.MaxTTL = ms*time.Duration(2000), ms*time.Duration(v)
		}},
		{field: "discovery.max_stale_ms", good: []int{0, 1}, bad: []int{-1}, in: func(c *policy.Channel, v int) { c.Discovery.MaxStale = ms * time.Duration(v) }},
	} {
		for _, v := range b.good {
			if got := fields(t, b.wrong(v)); len(got) > 0 {
				t.Errorf("%s of %d: %v", b.field, v, got)
			}
		}
		for _, v := range b.bad {
			if got := fields(t, b.wrong(v)); !slices.Equal(got, []string{b.field}) {
				t.Errorf("%s of %d is told as %v", b.field, v, got)
			}
		}
	}
}

// wrong returns what is wrong if the value is v.
func (b bound) wrong(v int) error {
	unary, stream, channel := policy.House()
	switch {
	case b.inMethod != nil:
		b.inMethod(&unary, v)
		return unary.Validate()
	case b.inStream != nil:
		b.inStream(&stream, v)
		return stream.Validate()
	default:
		b.in(&channel, v)
		return channel.Validate()
	}
}

func TestWhatIsTheNameOfAHeader(t *testing.T) {
	for name, ok := range map[string]bool{
		"": true, "a": true, "z": true, "0": true, "9": true, "x-tenant_id.v2": true,
		"A": false, "Z": false, "`": false, "{": false, "/": false, ":": false, "a b": false, ":authority": false, "é": false,
	} {
		m, _, _ := policy.House()
		m.IdempotencyKey.Header = name
		_, _, c := policy.House()
		c.Balance.HashHeader = name
		if key, hash := m.Validate() == nil, c.Validate() == nil; key != ok || hash != ok {
			t.Errorf("%q: key %v, hash %v, want %v", name, key, hash, ok)
		}
	}
	for _, name := range []string{"grpc-timeout", "content-type", "user-agent", "te"} {
		m, _, _ := policy.House()
		m.IdempotencyKey.Header = name
		if m.Validate() == nil {
			t.Errorf("%q is gRPC's own", name)
		}
	}
}

func TestWhatNeedsAnother(t *testing.T) {
	for field, change := range map[string]func(m *policy.Method){
		"retry.until_deadline":       func(m *policy.Method) { m.Deadline, m.Retry.UntilDeadline = 0, true },
		"deadline_per_kib_us":        func(m *policy.Method) { m.Deadline, m.DeadlinePerKiB = 0, 1 },
		"attempt_timeout_per_kib_us": func(m *policy.Method) { m.AttemptTimeoutPerKiB = 1 },
		"stream.resume":              func(m *policy.Method) { m.Stream.Resume = policy.Resume{RequestField: "from", ResponseField: "at"} },
	} {
		m, _, _ := policy.House()
		change(&m)
		if got := fields(t, m.Validate()); !slices.Equal(got, []string{field}) {
			t.Errorf("%s alone is told as %v", field, got)
		}
	}
	for name, change := range map[string]func(e *policy.Ejection){
		"consecutive failures": func(e *policy.Ejection) { e.ConsecutiveFailures = 1 },
		"failures":             func(e *policy.Ejection) { e.FailurePercent = 1 },
		"latency":              func(e *policy.Ejection) { e.LatencyPercent = 150 },
	} {
		e := policy.Ejection{MinRequests: 3}
		change(&e)
		if got := fields(t, e.Validate()); !slices.Equal(got, []string{"balance.ejection.base_ms"}) {
			t.Errorf("%s without a time: %v", name, got)
		}
	}
}

// What is watched of a stream is each of its limits; silence alone ends none.
func TestEachLimitOfAStreamIsWatched(t *testing.T) {
	for name, c := range map[string]struct {
		s    policy.Stream
		ends bool
	}{
		"first message": {policy.Stream{FirstMessageTimeout: 1}, true},
		"silence":       {policy.Stream{Silence: 1}, false},
		"breaking":      {policy.Stream{Silence: 1, SilenceBreaks: true}, true},
		"age":           {policy.Stream{MaxAge: 1}, true},
		"sends":         {policy.Stream{SendTimeout: 1}, true},
	} {
		if !c.s.Limits() || c.s.Ends() != c.ends {
			t.Errorf("%s: watched %v, ends %v", name, c.s.Limits(), c.s.Ends())
		}
	}
	if s := (policy.Stream{}); s.Limits() || s.Ends() {
		t.Error("the zero Stream is watched")
	}
}
