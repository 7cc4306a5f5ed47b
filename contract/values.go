package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A row is one value of a policy P under the name that the contract has for it.
type row[P any] struct {
	field string
	get   func(P) any
	// zero is what 0 or an empty value means to people; "" is what it is.
	zero string
	// when says whether the value means anything; nil is always.
	when func(P) bool
	// follows is the field beside it that may move it, or orMoved.
	follows, orMoved string
	// note is what else there is to say of it. May be nil.
	note func(P) string
}

// Fields that others are told to follow.
const (
	deadlineField       = "deadline_ms"
	attemptTimeoutField = "attempt_timeout_ms"
)

var methodRows = []row[policy.Method]{
	{field: deadlineField, get: func(m policy.Method) any { return millis(m.Deadline) }, zero: none},
	{
		field: attemptTimeoutField, get: func(m policy.Method) any { return millis(m.AttemptTimeout) }, zero: none,
		when: unary, follows: deadlineField, note: idle,
	},
	{
		field: "deadline_per_kib_us", get: func(m policy.Method) any { return m.DeadlinePerKiB.Microseconds() },
		zero: none, when: unary, follows: deadlineField,
	},
	{
		field: "attempt_timeout_per_kib_us", get: func(m policy.Method) any { return m.AttemptTimeoutPerKiB.Microseconds() },
		zero: none, when: unary, follows: attemptTimeoutField,
	},
	{field: "deadline_margin_ms", get: func(m policy.Method) any { return millis(m.DeadlineMargin) }, zero: none},
	{field: "wait_for_ready_ms", get: func(m policy.Method) any { return millis(m.WaitForReady) }, zero: "while connecting"},
	{
		field: "deadline_observed.quantile_permille", get: func(m policy.Method) any { return int64(m.DeadlineObserved.QuantilePermille) }, zero: off,
		when: unary, follows: deadlineField,
	},
	{field: "deadline_observed.factor_percent", get: func(m policy.Method) any { return int64(m.DeadlineObserved.FactorPercent) }, when: observesDeadline},
	{field: "deadline_observed.floor_ms", get: func(m policy.Method) any { return millis(m.DeadlineObserved.Floor) }, zero: none, when: observesDeadline, follows: "deadline_observed.ceiling_ms"},
	{field: "deadline_observed.ceiling_ms", get: func(m policy.Method) any { return millis(m.DeadlineObserved.Ceiling) }, zero: deadlineField, when: observesDeadline, follows: "deadline_observed.floor_ms"},
	{
		field: "attempt_timeout_observed.quantile_permille", get: func(m policy.Method) any { return int64(m.AttemptTimeoutObserved.QuantilePermille) }, zero: off,
		when: unary, follows: attemptTimeoutField, note: idleObserved,
	},
	{field: "attempt_timeout_observed.factor_percent", get: func(m policy.Method) any { return int64(m.AttemptTimeoutObserved.FactorPercent) }, when: observesAttempts},
	{field: "attempt_timeout_observed.floor_ms", get: func(m policy.Method) any { return millis(m.AttemptTimeoutObserved.Floor) }, zero: none, when: observesAttempts, follows: "attempt_timeout_observed.ceiling_ms"},
	{field: "attempt_timeout_observed.ceiling_ms", get: func(m policy.Method) any { return millis(m.AttemptTimeoutObserved.Ceiling) }, zero: attemptTimeoutField, when: observesAttempts, follows: "attempt_timeout_observed.floor_ms"},
	{field: "hedge.delay_ms", get: func(m policy.Method) any { return millis(m.Hedge.Delay) }, zero: none, when: unary, note: idleHedge},
	{field: "hedge.extra_load_percent", get: func(m policy.Method) any { return int64(m.Hedge.ExtraLoadPercent) }, zero: off, when: hedges},
	{field: "hedge.max_hedges", get: func(m policy.Method) any { return int64(m.Hedge.MaxHedges) }, zero: off, when: hedges, follows: attemptTimeoutField, orMoved: deadlineField},
	{
		field: "retry.max_attempts", get: func(m policy.Method) any { return int64(m.Retry.MaxAttempts) },
		when: func(m policy.Method) bool { return !m.Retry.UntilDeadline },
	},
	{field: "retry.until_deadline", get: func(m policy.Method) any { return m.Retry.UntilDeadline }, follows: "retry.max_attempts"},
	{field: "retry.max_elapsed_ms", get: func(m policy.Method) any { return millis(m.Retry.MaxElapsed) }, zero: none},
	{field: "retry.codes", get: func(m policy.Method) any { return codeNames(m.Retry.Codes) }, zero: none, when: func(m policy.Method) bool { return !m.ClientStreaming }},
	{field: "retry.backoff.base_ms", get: func(m policy.Method) any { return millis(m.Retry.Backoff.Base) }, follows: "retry.backoff.max_ms"},
	{field: "retry.backoff.max_ms", get: func(m policy.Method) any { return millis(m.Retry.Backoff.Max) }, follows: "retry.backoff.base_ms"},
	{field: "idempotency_key.header", get: func(m policy.Method) any { return m.IdempotencyKey.Header }, zero: none, when: unary},
	{field: "idempotency_key.field", get: func(m policy.Method) any { return m.IdempotencyKey.Field }, zero: none, when: unary},
	{field: "stream.first_message_timeout_ms", get: func(m policy.Method) any { return millis(m.Stream.FirstMessageTimeout) }, zero: none, when: streaming},
	{field: "stream.silence_ms", get: func(m policy.Method) any { return millis(m.Stream.Silence) }, zero: never, when: streaming},
	{field: "stream.silence_breaks", get: func(m policy.Method) any { return m.Stream.SilenceBreaks }, when: streaming},
	{field: "stream.max_age_ms", get: func(m policy.Method) any { return millis(m.Stream.MaxAge) }, zero: never, when: streaming},
	{field: "stream.send_timeout_ms", get: func(m policy.Method) any { return millis(m.Stream.SendTimeout) }, zero: none, when: streaming},
	{field: "stream.resume.request_field", get: func(m policy.Method) any { return m.Stream.Resume.RequestField }, zero: none, when: resumable},
	{field: "stream.resume.response_field", get: func(m policy.Method) any { return m.Stream.Resume.ResponseField }, zero: none, when: resumable},
	{field: "stream.resume.step", get: func(m policy.Method) any { return m.Stream.Resume.Step }, when: resumable},
	{field: "breaker.off", get: func(m policy.Method) any { return m.Breaker.Off }},
	{field: "breaker.dry_run", get: func(m policy.Method) any { return m.Breaker.DryRun }, when: breaks},
	{field: "breaker.window_ms", get: func(m policy.Method) any { return millis(m.Breaker.Window) }, when: counts},
	{field: "breaker.min_calls", get: func(m policy.Method) any { return int64(m.Breaker.MinCalls) }, when: counts},
	{field: "breaker.failure_percent", get: func(m policy.Method) any { return int64(m.Breaker.FailurePercent) }, zero: never, when: breaks},
	{field: "breaker.consecutive_failures", get: func(m policy.Method) any { return int64(m.Breaker.ConsecutiveFailures) }, zero: never, when: breaks},
	{field: "breaker.open_ms", get: func(m policy.Method) any { return millis(m.Breaker.Open) }, when: trips},
	{field: "breaker.max_open_ms", get: func(m policy.Method) any { return millis(m.Breaker.MaxOpen) }, zero: "as open_ms", when: trips, follows: "breaker.open_ms"},
	{field: "breaker.trials", get: func(m policy.Method) any { return int64(m.Breaker.Trials) }, when: trips},
	{field: "breaker.successes", get: func(m policy.Method) any { return int64(m.Breaker.Successes) }, when: trips},
	{field: "breaker.max_in_flight", get: func(m policy.Method) any { return int64(m.Breaker.MaxInFlight) }, zero: none, when: breaks},
	{field: "breaker.per_group", get: func(m policy.Method) any { return m.Breaker.PerGroup }, when: trips},
	{field: "breaker.throttle.accept_percent", get: func(m policy.Method) any { return int64(m.Breaker.Throttle.AcceptPercent) }, zero: off, when: breaks},
	{field: "breaker.throttle.max_percent", get: func(m policy.Method) any { return int64(m.Breaker.Throttle.MaxPercent) }, when: throttles},
}

var channelRows = []row[policy.Channel]{
	{field: "balance.policy", get: func(c policy.Channel) any { return pickers[c.Balance.Picker] }},
	{field: "balance.slow_start_ms", get: func(c policy.Channel) any { return millis(c.Balance.SlowStart) }, zero: off},
	{field: "balance.panic_percent", get: func(c policy.Channel) any { return int64(c.Balance.PanicPercent) }},
	{field: "balance.least_request.choices", get: func(c policy.Channel) any { return int64(c.Balance.Choices) }, when: picks(policy.LeastRequest)},
	{field: "balance.consistent_hash.header", get: func(c policy.Channel) any { return c.Balance.HashHeader }, zero: "the caller's key", when: picks(policy.ConsistentHash)},
	{field: "balance.consistent_hash.max_load_percent", get: func(c policy.Channel) any { return int64(c.Balance.HashMaxLoadPercent) }, zero: none, when: picks(policy.ConsistentHash)},
	{field: "balance.subset.size", get: func(c policy.Channel) any { return int64(c.Balance.SubsetSize) }, zero: none, when: subsets},
	{field: "balance.locality.overprovisioning_percent", get: func(c policy.Channel) any { return int64(c.Balance.OverprovisioningPercent) }, zero: off},
	{field: "balance.ejection.off", get: func(c policy.Channel) any { return c.Balance.Ejection.Off }},
	{field: "balance.ejection.dry_run", get: func(c policy.Channel) any { return c.Balance.Ejection.DryRun }},
	{field: "balance.ejection.consecutive_failures", get: func(c policy.Channel) any { return int64(c.Balance.Ejection.ConsecutiveFailures) }, zero: never},
	{field: "balance.ejection.min_requests", get: func(c policy.Channel) any { return int64(c.Balance.Ejection.MinRequests) }},
	{field: "balance.ejection.failure_percent", get: func(c policy.Channel) any { return int64(c.Balance.Ejection.FailurePercent) }, zero: never},
	{field: "balance.ejection.failure_distance_percent", get: func(c policy.Channel) any { return int64(c.Balance.Ejection.FailureDistance) }},
	{field: "balance.ejection.latency_percent", get: func(c policy.Channel) any { return int64(c.Balance.Ejection.LatencyPercent) }, zero: never},
	{field: "balance.ejection.latency_floor_ms", get: func(c policy.Channel) any { return millis(c.Balance.Ejection.LatencyFloor) }},
	{field: "balance.ejection.base_ms", get: func(c policy.Channel) any { return millis(c.Balance.Ejection.Base) }},
	{field: "balance.ejection.max_ms", get: func(c policy.Channel) any { return millis(c.Balance.Ejection.Max) }},
	{field: "balance.ejection.max_percent", get: func(c policy.Channel) any { return int64(c.Balance.Ejection.MaxPercent) }},
	{field: "retry_budget.ratio_percent", get: func(c policy.Channel) any { return int64(c.Budget.RatioPercent) }},
	{field: "retry_budget.min_per_second", get: func(c policy.Channel) any { return int64(c.Budget.MinPerSecond) }},
	{field: "retry_budget.window_ms", get: func(c policy.Channel) any { return millis(c.Budget.Window) }},
	{field: "connection.connect_timeout_ms", get: func(c policy.Channel) any { return millis(c.Connection.ConnectTimeout) }},
	{field: "connection.keepalive_time_ms", get: func(c policy.Channel) any { return millis(c.Connection.KeepaliveTime) }, zero: never},
	{field: "connection.keepalive_timeout_ms", get: func(c policy.Channel) any { return millis(c.Connection.KeepaliveTimeout) }},
	{field: "connection.tcp_user_timeout_ms", get: func(c policy.Channel) any { return millis(c.Connection.TCPUserTimeout) }, zero: "as keepalive"},
	{field: "connection.max_age_ms", get: func(c policy.Channel) any { return millis(c.Connection.MaxAge) }, zero: never},
	{field: "connection.max_connecting", get: func(c policy.Channel) any { return int64(c.Connection.MaxConnecting) }},
	{field: "connection.drain_ms", get: func(c policy.Channel) any { return millis(c.Connection.Drain) }, zero: "no bound"},
	{field: "connection.single_endpoint", get: func(c policy.Channel) any { return c.Connection.SingleEndpoint }, zero: "if there is one"},
	{field: "connection.liveness.off", get: func(c policy.Channel) any { return c.Connection.Liveness.Off }},
	{field: "connection.liveness.dry_run", get: func(c policy.Channel) any { return c.Connection.Liveness.DryRun }},
	{field: "connection.liveness.silence_ms", get: func(c policy.Channel) any { return millis(c.Connection.Liveness.Silence) }, zero: never},
	{field: "connection.liveness.probe_timeout_ms", get: func(c policy.Channel) any { return millis(c.Connection.Liveness.ProbeTimeout) }},
	{field: "connection.liveness.max_percent", get: func(c policy.Channel) any { return int64(c.Connection.Liveness.MaxPercent) }},
	{field: "discovery.min_ttl_ms", get: func(c policy.Channel) any { return millis(c.Discovery.MinTTL) }, zero: "1000"},
	{field: "discovery.max_ttl_ms", get: func(c policy.Channel) any { return millis(c.Discovery.MaxTTL) }, zero: "300000", follows: "discovery.min_ttl_ms"},
	{field: "discovery.max_stale_ms", get: func(c policy.Channel) any { return millis(c.Discovery.MaxStale) }, zero: "for ever"},
}

// What zero means.
const (
	none  = "none"
	off   = "off"
	never = "never"
)

var pickers = map[policy.Picker]string{
	policy.RoundRobin: "round_robin", policy.LeastRequest: "least_request",
	policy.PeakEWMA: "peak_ewma", policy.ConsistentHash: "consistent_hash",
}

var levelNames = map[policy.Safety]string{
	policy.Unsafe:     surefootv1.IdempotencyLevel_IDEMPOTENCY_UNKNOWN.String(),
	policy.Idempotent: surefootv1.IdempotencyLevel_IDEMPOTENT.String(),
	policy.ReadOnly:   surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.String(),
}

func unary(m policy.Method) bool { return !m.Streaming }

func streaming(m policy.Method) bool { return m.Streaming }

func resumable(m policy.Method) bool { return m.Streaming && !m.ClientStreaming }

// What of a breaker means anything.
func breaks(m policy.Method) bool    { return !m.Breaker.Off }
func trips(m policy.Method) bool     { return m.Breaker.Trips() }
func throttles(m policy.Method) bool { return m.Breaker.Throttles() }
func counts(m policy.Method) bool    { return trips(m) || throttles(m) }

// idle says that an attempt timeout which was inherited does nothing.
func idle(m policy.Method) string {
	if m.AttemptTimeout > 0 {
		return unlessSafe(m)
	}
	return ""
}

// unlessSafe says that what is for idempotent methods does not hold for all
// calls of m.
func unlessSafe(m policy.Method) string {
	switch {
	case m.Safety.Repeatable():
		return ""
	case m.MayBeRepeatable():
		return "for calls with a key"
	default:
		return "no effect: not idempotent"
	}
}

func observesDeadline(m policy.Method) bool { return unary(m) && m.DeadlineObserved.On() }
func observesAttempts(m policy.Method) bool { return unary(m) && m.AttemptTimeoutObserved.On() }
func hedges(m policy.Method) bool {
	return unary(m) && (m.Hedge.Delay != 0 || m.Hedge.ExtraLoadPercent != 0)
}

// idleObserved is idle for one that is observed.
func idleObserved(m policy.Method) string {
	if m.AttemptTimeoutObserved.On() {
		return unlessSafe(m)
	}
	return ""
}

// idleHedge says that hedges which were inherited are never started.
func idleHedge(m policy.Method) string {
	switch {
	case !m.Hedge.On():
		return ""
	case m.Retry.MaxAttempts <= 1 && !m.Retry.UntilDeadline:
		return "no effect: repeats are off"
	case m.Safety.Repeatable():
		return ""
	default:
		return "no effect: not idempotent"
	}
}

func picks(p policy.Picker) func(policy.Channel) bool {
	return func(c policy.Channel) bool { return c.Balance.Picker == p }
}

// subsets says that a client may use a part of the endpoints.
func subsets(c policy.Channel) bool { return c.Balance.Picker != policy.ConsistentHash }

func millis(d time.Duration) int64 { return d.Milliseconds() }

func codeNames(s policy.CodeSet) []string {
	return strings.Fields(strings.Trim(s.String(), "[]"))
}

// value returns r's value in p, without an origin.
func (r row[P]) value(p P) Value {
	v := Value{Field: r.field, Value: r.get(p)}
	v.Text = v.plain()
	if list, ok := v.Value.([]string); ok {
		v.Text = strings.Join(list, " ")
	}
	if zero := v.Value == any(int64(0)) || v.Value == any(false) || v.Text == ""; zero && r.zero != "" {
		v.Text = r.zero
	}
	return v
}

// plain is the value alone, to compare.
func (v Value) plain() string { return fmt.Sprint(v.Value) }

// has reports whether m sets the field at path, of names. The last may be that
// of a oneof.
func has(m protoreflect.Message, path string) bool {
	if m == nil {
		return false
	}
	name, rest, deeper := strings.Cut(path, ".")
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	switch {
	case fd != nil && fd.IsMap() && deeper:
		name, rest, deeper = strings.Cut(rest, ".")
		key := protoreflect.ValueOfString(name).MapKey()
		return m.Get(fd).Map().Has(key) && (!deeper || has(m.Get(fd).Map().Get(key).Message(), rest))
	case fd == nil:
		od := m.Descriptor().Oneofs().ByName(protoreflect.Name(name))
		return od != nil && m.WhichOneof(od) != nil
	case !m.Has(fd):
		return false
	case deeper:
		return has(m.Get(fd).Message(), rest)
	default:
		return true
	}
}

// saying returns the field at path, which m has, as [Value.plain] does.
func saying(m protoreflect.Message, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	v := m.Get(fd)
	switch {
	case deeper:
		return saying(v.Message(), rest)
	case fd.IsList(): // only codes are
		var set policy.CodeSet
		for i := range v.List().Len() {
			set |= policy.Codes(codes.Code(v.List().Get(i).Enum()))
		}
		return fmt.Sprint(codeNames(set))
	default:
		return v.String()
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
