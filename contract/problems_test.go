package contract_test

import (
	"errors"
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

var update = flag.Bool("update", false, "rewrite testdata/problems.txt")

// A mistake is a set of contracts that must not compile, and where each of
// what is wrong in them is told: "service/method field", of its source.
type mistake struct {
	name    string
	sources func(t testing.TB) contract.Sources
	want    []string
}

// The functions below make a mistake in one place.
func inUnary(m *mth) func(testing.TB) contract.Sources {
	return inRPC(rpc{name: "Get", level: idempotent, options: m})
}

func inRPC(r rpc) func(testing.TB) contract.Sources {
	return inProto(spec{name: "Shop", methods: []rpc{r}})
}

func inOptions(s *svc) func(testing.TB) contract.Sources {
	return inProto(spec{name: "Shop", options: s, methods: []rpc{{name: "Get"}, {name: "Put"}}})
}

func inProto(specs ...spec) func(testing.TB) contract.Sources {
	return func(t testing.TB) contract.Sources { return contract.Sources{Services: build(t, specs...)} }
}

func inGo(contracts ...*given) func(testing.TB) contract.Sources {
	return func(t testing.TB) contract.Sources {
		return contract.Sources{
			Services:  build(t, spec{name: "Shop", methods: []rpc{{name: "Get", level: idempotent}, {name: "Watch", replies: true}}}),
			Contracts: contracts,
		}
	}
}

func inHouseDefaults(s *svc) func(testing.TB) contract.Sources {
	return func(t testing.TB) contract.Sources {
		return contract.Sources{House: s, Services: build(t,
			spec{name: "Shop", options: &svc{Connection: &conn{}}, methods: []rpc{{name: "Get"}}}, spec{name: "Till"})}
	}
}

// watch is a contract of a server stream.
func watch(s *stream) func(testing.TB) contract.Sources {
	return inRPC(rpc{name: "Watch", level: readOnly, replies: true, options: &mth{Stream: s}})
}

func cursor(request, response string, step int64) *stream {
	return &stream{Resume: &resume{RequestField: &request, ResponseField: &response, Step: &step}}
}

var aborted = []surefootv1.Code{surefootv1.Code_ABORTED}

func keyIn(header string) *surefootv1.IdempotencyKey {
	return &surefootv1.IdempotencyKey{Place: &surefootv1.IdempotencyKey_Header{Header: header}}
}

func keyOf(field string) *surefootv1.IdempotencyKey {
	return &surefootv1.IdempotencyKey{Place: &surefootv1.IdempotencyKey_Field{Field: field}}
}

var mistakes = []mistake{
	// Of a method.
	{"a negative deadline", inUnary(&mth{DeadlineMs: i64(-1)}), []string{"shop.v1.Shop/Get deadline_ms"}},
	{"a negative attempt timeout", inUnary(&mth{AttemptTimeoutMs: i64(-250)}), []string{"shop.v1.Shop/Get attempt_timeout_ms"}},
	{"an attempt timeout above the deadline", inUnary(&mth{DeadlineMs: i64(250), AttemptTimeoutMs: i64(500)}), []string{"shop.v1.Shop/Get attempt_timeout_ms"}},
	{"an attempt timeout above the inherited deadline", inUnary(&mth{AttemptTimeoutMs: i64(10_001)}), []string{"shop.v1.Shop/Get attempt_timeout_ms"}},
	{"a negative margin", inUnary(&mth{DeadlineMarginMs: i64(-1)}), []string{"shop.v1.Shop/Get deadline_margin_ms"}},
	{"a margin as long as the deadline beside it", inUnary(&mth{DeadlineMs: i64(100), DeadlineMarginMs: i64(100)}), []string{"shop.v1.Shop/Get deadline_margin_ms"}},
	{"a margin above the deadline of a service", inOptions(&svc{Defaults: &mth{DeadlineMs: i64(100), DeadlineMarginMs: i64(101)}}), []string{"shop.v1.Shop defaults.deadline_margin_ms"}},
	{"a margin above the deadline of a stream", inRPC(rpc{name: "Watch", replies: true, options: &mth{DeadlineMs: i64(100), DeadlineMarginMs: i64(101)}}), []string{"shop.v1.Shop/Watch deadline_margin_ms"}},
	{"no attempts", inUnary(&mth{Retry: &retry{MaxAttempts: i32(0)}}), []string{"shop.v1.Shop/Get retry.max_attempts"}},
	{"too many attempts", inUnary(&mth{Retry: &retry{MaxAttempts: i32(11)}}), []string{"shop.v1.Shop/Get retry.max_attempts"}},
	{"a negative base", inUnary(&mth{Retry: &retry{Backoff: &backoff{BaseMs: i64(-5)}}}), []string{"shop.v1.Shop/Get retry.backoff.base_ms"}},
	{"a negative max", inUnary(&mth{Retry: &retry{Backoff: &backoff{MaxMs: i64(-5)}}}), []string{"shop.v1.Shop/Get retry.backoff.max_ms"}},
	{"a max below the base", inUnary(&mth{Retry: &retry{Backoff: &backoff{BaseMs: i64(50), MaxMs: i64(20)}}}), []string{"shop.v1.Shop/Get retry.backoff.max_ms"}},
	{"codes of a method that is not idempotent", inRPC(rpc{name: "Put", options: &mth{Retry: &retry{Codes: aborted}}}), []string{"shop.v1.Shop/Put retry.codes"}},
	{"codes without a repeat", inUnary(&mth{Retry: &retry{MaxAttempts: i32(1), Codes: aborted}}), []string{"shop.v1.Shop/Get retry.codes"}},
	{"hedges that cannot be", inUnary(&mth{Hedge: &hedge{DelayMs: i64(-1), ExtraLoadPercent: i32(51), MaxHedges: i32(10)}}), []string{
		"shop.v1.Shop/Get hedge.delay_ms", "shop.v1.Shop/Get hedge.extra_load_percent", "shop.v1.Shop/Get hedge.max_hedges",
	}},
	{"hedges of a method that is not idempotent", inRPC(rpc{name: "Put", options: &mth{Hedge: &hedge{DelayMs: i64(20)}}}), []string{"shop.v1.Shop/Put hedge"}},
	{"hedges without repeats", inUnary(&mth{Hedge: &hedge{DelayMs: i64(20)}, Retry: &retry{MaxAttempts: i32(1)}}), []string{"shop.v1.Shop/Get hedge"}},
	{"hedges that never start", inUnary(&mth{Hedge: &hedge{MaxHedges: i32(2)}}), []string{"shop.v1.Shop/Get hedge"}},
	{"hedges after the deadline", inUnary(&mth{DeadlineMs: i64(20), Hedge: &hedge{DelayMs: i64(20)}}), []string{"shop.v1.Shop/Get hedge.delay_ms"}},
	{"hedges after the attempt timeout", inUnary(&mth{AttemptTimeoutMs: i64(20), Hedge: &hedge{DelayMs: i64(30)}}), []string{"shop.v1.Shop/Get hedge.delay_ms"}},
	{"observed times that cannot be", inUnary(&mth{
		DeadlineObserved:       &observe{QuantilePermille: i32(1000), FactorPercent: i32(99), FloorMs: i64(-1), CeilingMs: i64(-1)},
		AttemptTimeoutObserved: &observe{QuantilePermille: i32(-1), FactorPercent: i32(1001), FloorMs: i64(20), CeilingMs: i64(10)},
	}), []string{
		"shop.v1.Shop/Get attempt_timeout_observed.factor_percent", "shop.v1.Shop/Get attempt_timeout_observed.floor_ms",
		"shop.v1.Shop/Get attempt_timeout_observed.quantile_permille", "shop.v1.Shop/Get deadline_observed.ceiling_ms",
		"shop.v1.Shop/Get deadline_observed.factor_percent", "shop.v1.Shop/Get deadline_observed.floor_ms", "shop.v1.Shop/Get deadline_observed.quantile_permille",
	}},
	{"observed times without a bound", inUnary(&mth{DeadlineMs: i64(0), DeadlineObserved: &observe{QuantilePermille: i32(990)}, AttemptTimeoutObserved: &observe{QuantilePermille: i32(990)}}),
		[]string{"shop.v1.Shop/Get attempt_timeout_observed.ceiling_ms", "shop.v1.Shop/Get deadline_observed.ceiling_ms"}},
	{"an observed attempt timeout of a method that is not idempotent", inRPC(rpc{name: "Put", options: &mth{AttemptTimeoutObserved: &observe{QuantilePermille: i32(990), CeilingMs: i64(100)}}}),
		[]string{"shop.v1.Shop/Put attempt_timeout_observed"}},
	{"what is for unary methods", inRPC(rpc{name: "Watch", level: readOnly, replies: true, options: &mth{
		Hedge: &hedge{DelayMs: i64(20)}, DeadlineObserved: &observe{QuantilePermille: i32(990)}, AttemptTimeoutObserved: &observe{QuantilePermille: i32(990)},
	}}), []string{"shop.v1.Shop/Watch attempt_timeout_observed", "shop.v1.Shop/Watch deadline_observed", "shop.v1.Shop/Watch hedge"}},
	{"an attempt timeout of a method that is not idempotent", inRPC(rpc{name: "Put", options: &mth{AttemptTimeoutMs: i64(250)}}), []string{"shop.v1.Shop/Put attempt_timeout_ms"}},
	{"codes that do not exist", inUnary(&mth{Retry: &retry{Codes: []surefootv1.Code{99, -1, 99}}}), []string{"shop.v1.Shop/Get retry.codes", "shop.v1.Shop/Get retry.codes"}},
	{"a code without a name", inUnary(&mth{Retry: &retry{Codes: []surefootv1.Code{0}}}), []string{"shop.v1.Shop/Get retry.codes"}},
	{"what streams do not have", inRPC(rpc{name: "Watch", level: readOnly, requests: true, replies: true, options: &mth{AttemptTimeoutMs: i64(5), Retry: &retry{Codes: aborted}}}),
		[]string{"shop.v1.Shop/Watch attempt_timeout_ms", "shop.v1.Shop/Watch retry.codes"}},
	{"stream on a unary method", inUnary(&mth{Stream: &stream{MaxAgeMs: i64(5000)}}), []string{"shop.v1.Shop/Get stream"}},
	{"negative limits of a stream", watch(&stream{FirstMessageTimeoutMs: i64(-1), SilenceMs: i64(-2), MaxAgeMs: i64(-3), SendTimeoutMs: i64(-4)}), []string{
		"shop.v1.Shop/Watch stream.first_message_timeout_ms", "shop.v1.Shop/Watch stream.max_age_ms",
		"shop.v1.Shop/Watch stream.send_timeout_ms", "shop.v1.Shop/Watch stream.silence_ms",
	}},
	{"a silence below a second", watch(&stream{SilenceMs: i64(999)}), []string{"shop.v1.Shop/Watch stream.silence_ms"}},
	{"no silence that breaks", watch(&stream{SilenceMs: i64(0), SilenceBreaks: new(true)}), []string{"shop.v1.Shop/Watch stream.silence_breaks"}},
	{"limits of a stream above its deadline", inRPC(rpc{name: "Watch", replies: true, options: &mth{DeadlineMs: i64(5000), Stream: &stream{
		FirstMessageTimeoutMs: i64(5000), SilenceMs: i64(6000), MaxAgeMs: i64(7000), SendTimeoutMs: i64(8000),
	}}}), []string{
		"shop.v1.Shop/Watch stream.first_message_timeout_ms", "shop.v1.Shop/Watch stream.max_age_ms",
		"shop.v1.Shop/Watch stream.send_timeout_ms", "shop.v1.Shop/Watch stream.silence_ms",
	}},
	{"a silence of the service below a second", func(t testing.TB) contract.Sources {
		return contract.Sources{Services: build(t, spec{name: "Shop", options: &svc{Defaults: &mth{Stream: &stream{SilenceMs: i64(5)}}}, methods: []rpc{{name: "Watch", replies: true}}})}
	}, []string{"shop.v1.Shop defaults.stream.silence_ms"}},
	{"half a cursor", watch(&stream{Resume: &resume{RequestField: new("revision")}}), []string{"shop.v1.Shop/Watch stream.resume.response_field"}},
	{"the other half of a cursor", watch(&stream{Resume: &resume{ResponseField: new("revision")}}), []string{"shop.v1.Shop/Watch stream.resume.request_field"}},
	{"a step without a cursor", watch(&stream{Resume: &resume{Step: i64(1)}}), []string{"shop.v1.Shop/Watch stream.resume.request_field"}},
	{"a step back", watch(cursor("revision", "revision", -1)), []string{"shop.v1.Shop/Watch stream.resume.step"}},
	{"a cursor that nobody has", watch(cursor("revison", "self.self.x", 0)), []string{
		"shop.v1.Shop/Watch stream.resume.request_field", "shop.v1.Shop/Watch stream.resume.response_field",
	}},
	{"cursors that are none", watch(cursor("tags", "on", 0)), []string{
		"shop.v1.Shop/Watch stream.resume.request_field", "shop.v1.Shop/Watch stream.resume.response_field",
	}},
	{"a cursor of two types", watch(cursor("revision", "token", 0)), []string{"shop.v1.Shop/Watch stream.resume.request_field"}},
	{"a step of a text", watch(cursor("token", "self.token", 1)), []string{"shop.v1.Shop/Watch stream.resume.step"}},
	{"a cursor of a stream of requests", inRPC(rpc{name: "Talk", level: idempotent, requests: true, replies: true, options: &mth{Stream: cursor("revision", "revision", 1)}}),
		[]string{"shop.v1.Shop/Talk stream.resume"}},
	{"a cursor of a stream that is not idempotent", inRPC(rpc{name: "Watch", replies: true, options: &mth{Stream: cursor("revision", "revision", 1)}}),
		[]string{"shop.v1.Shop/Watch stream.resume"}},
	{"a cursor of a service", func(t testing.TB) contract.Sources {
		return contract.Sources{Services: build(t, spec{name: "Shop", options: &svc{Defaults: &mth{Stream: cursor("revision", "revision", 1)}}, methods: []rpc{{name: "Watch", replies: true}}})}
	}, []string{"shop.v1.Shop defaults.stream.resume"}},
	{"a breaker that cannot be", inUnary(&mth{Breaker: &breaker{
		WindowMs: i64(10), MinCalls: i32(1), FailurePercent: i32(101), ConsecutiveFailures: i32(-1), OpenMs: i64(0), MaxOpenMs: i64(-1), Trials: i32(0),
		Successes: i32(0), Throttle: &surefootv1.Throttle{AcceptPercent: i32(100), MaxPercent: i32(100)}, MaxInFlight: i32(-1),
	}}), []string{
		"shop.v1.Shop/Get breaker.consecutive_failures", "shop.v1.Shop/Get breaker.failure_percent", "shop.v1.Shop/Get breaker.max_in_flight",
		"shop.v1.Shop/Get breaker.max_open_ms", "shop.v1.Shop/Get breaker.min_calls", "shop.v1.Shop/Get breaker.open_ms",
		"shop.v1.Shop/Get breaker.successes", "shop.v1.Shop/Get breaker.throttle.accept_percent", "shop.v1.Shop/Get breaker.throttle.max_percent",
		"shop.v1.Shop/Get breaker.trials", "shop.v1.Shop/Get breaker.window_ms",
	}},
	{"a breaker of a service that cannot be", inOptions(&svc{Defaults: &mth{Breaker: &breaker{OpenMs: i64(5000), MaxOpenMs: i64(4000)}}}),
		[]string{"shop.v1.Shop defaults.breaker.max_open_ms"}},
	{"a breaker that is off beside what it would do", inRPC(rpc{name: "Watch", replies: true, options: &mth{Breaker: &breaker{
		Off: new(true), DryRun: new(false), OpenMs: i64(1000), Throttle: &surefootv1.Throttle{MaxPercent: i32(50)},
	}}}), []string{"shop.v1.Shop/Watch breaker.dry_run", "shop.v1.Shop/Watch breaker.open_ms", "shop.v1.Shop/Watch breaker.throttle.max_percent"}},
	{"openings of a breaker that nothing opens", inUnary(&mth{Breaker: &breaker{FailurePercent: i32(0), OpenMs: i64(1000), Trials: i32(1)}}),
		[]string{"shop.v1.Shop/Get breaker.open_ms", "shop.v1.Shop/Get breaker.trials"}},
	{"a bound of a throttle that is off", inGo(&given{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {Method: &mth{
		Breaker: &breaker{Throttle: &surefootv1.Throttle{AcceptPercent: i32(0), MaxPercent: i32(50)}},
	}}}}), []string{"shop.v1.Shop/Get breaker.throttle.max_percent"}},
	{"a negative deadline of a stream", inRPC(rpc{name: "Watch", requests: true, options: &mth{DeadlineMs: i64(-1)}}), []string{"shop.v1.Shop/Watch deadline_ms"}},
	{"times in the wrong unit", inUnary(&mth{
		DeadlineMs: i64(math.MaxInt64), AttemptTimeoutMs: i64(31_536_000_001),
		Retry: &retry{Backoff: &backoff{BaseMs: i64(18_446_744_073_710), MaxMs: i64(math.MaxInt64)}},
	}), []string{
		"shop.v1.Shop/Get attempt_timeout_ms", "shop.v1.Shop/Get deadline_ms",
		"shop.v1.Shop/Get retry.backoff.base_ms", "shop.v1.Shop/Get retry.backoff.max_ms",
	}},
	{"times far below zero", inUnary(&mth{
		DeadlineMs: i64(math.MinInt64), AttemptTimeoutMs: i64(math.MinInt64),
		Retry: &retry{Backoff: &backoff{BaseMs: i64(math.MinInt64), MaxMs: i64(math.MinInt64)}},
	}), []string{
		"shop.v1.Shop/Get attempt_timeout_ms", "shop.v1.Shop/Get deadline_ms",
		"shop.v1.Shop/Get retry.backoff.base_ms", "shop.v1.Shop/Get retry.backoff.max_ms",
	}},
	{"times for the size of a request that cannot be", inUnary(&mth{
		DeadlinePerKibUs: i64(-1), AttemptTimeoutPerKibUs: i64(1_000_001), Retry: &retry{MaxElapsedMs: i64(-1)},
	}), []string{
		"shop.v1.Shop/Get attempt_timeout_per_kib_us", "shop.v1.Shop/Get deadline_per_kib_us", "shop.v1.Shop/Get retry.max_elapsed_ms",
	}},
	{"times for the size of a request beside none", inUnary(&mth{DeadlineMs: i64(0), DeadlinePerKibUs: i64(1), AttemptTimeoutPerKibUs: i64(1)}), []string{
		"shop.v1.Shop/Get attempt_timeout_per_kib_us", "shop.v1.Shop/Get deadline_per_kib_us",
	}},
	{"times for the size of a request that streams", inRPC(rpc{name: "Watch", level: readOnly, replies: true, options: &mth{
		DeadlineMs: i64(1), DeadlinePerKibUs: i64(1), AttemptTimeoutPerKibUs: i64(1),
	}}), []string{"shop.v1.Shop/Watch attempt_timeout_per_kib_us", "shop.v1.Shop/Watch deadline_per_kib_us"}},
	{"a bound of repeats that comes too late", inUnary(&mth{DeadlineMs: i64(500), Retry: &retry{MaxElapsedMs: i64(500)}}), []string{"shop.v1.Shop/Get retry.max_elapsed_ms"}},
	{"a wait that cannot be", inUnary(&mth{WaitForReadyMs: i64(-1)}), []string{"shop.v1.Shop/Get wait_for_ready_ms"}},
	{"two limits of attempts", inUnary(&mth{Retry: &retry{MaxAttempts: i32(5), UntilDeadline: new(true)}}), []string{"shop.v1.Shop/Get retry.max_attempts"}},
	{"two limits of attempts for all methods", inOptions(&svc{Defaults: &mth{Retry: &retry{MaxAttempts: i32(5), UntilDeadline: new(true)}}}), []string{"shop.v1.Shop defaults.retry.max_attempts"}},
	{"repeats without an end", inUnary(&mth{DeadlineMs: i64(0), Retry: &retry{UntilDeadline: new(true)}}), []string{"shop.v1.Shop/Get retry.until_deadline"}},
	{"a stream that repeats without an end", inRPC(rpc{name: "Watch", level: readOnly, replies: true, options: &mth{Retry: &retry{UntilDeadline: new(true)}}}),
		[]string{"shop.v1.Shop/Watch retry.until_deadline"}},
	{"a key of a method that needs none", inUnary(&mth{IdempotencyKey: keyIn("idempotency-key")}), []string{"shop.v1.Shop/Get idempotency_key"}},
	{"a key of a stream", inRPC(rpc{name: "Watch", replies: true, options: &mth{IdempotencyKey: keyIn("idempotency-key")}}), []string{"shop.v1.Shop/Watch idempotency_key"}},
	{"a key in a header that cannot be", inRPC(rpc{name: "Put", options: &mth{IdempotencyKey: keyIn("Idempotency-Key")}}), []string{"shop.v1.Shop/Put idempotency_key.header"}},
	{"a key in a header of gRPC", inRPC(rpc{name: "Put", options: &mth{IdempotencyKey: keyIn("grpc-timeout")}}), []string{"shop.v1.Shop/Put idempotency_key.header"}},
	{"a key in a field that nobody has", inRPC(rpc{name: "Put", options: &mth{IdempotencyKey: keyOf("tokn")}}), []string{"shop.v1.Shop/Put idempotency_key.field"}},
	{"a key in a number", inRPC(rpc{name: "Put", options: &mth{IdempotencyKey: keyOf("revision")}}), []string{"shop.v1.Shop/Put idempotency_key.field"}},
	{"a key in a field of all methods", inOptions(&svc{Defaults: &mth{IdempotencyKey: keyOf("token")}}), []string{
		"shop.v1.Shop defaults.idempotency_key.field",
	}},
	{"a key in a profile", inOptions(&svc{Profiles: map[string]*profile{"calm": {Methods: map[string]*mth{"Put": {IdempotencyKey: keyIn("x")}}}}}), []string{
		"shop.v1.Shop profiles.calm.methods.Put.idempotency_key",
	}},
	{"a key that the owner did not name", func(t testing.TB) contract.Sources {
		return contract.Sources{
			Services:  build(t, spec{name: "Shop", options: &svc{}, methods: []rpc{{name: "Put"}}}),
			Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Put": {Method: &mth{IdempotencyKey: keyIn("x")}}}}},
		}
	}, []string{"shop.v1.Shop/Put idempotency_key"}},
	{"a key in a field of a request that nobody knows", inGo(&given{ServiceName: "etcdserverpb.KV", Methods: map[string]*givenM{"Put": {Method: &mth{IdempotencyKey: keyOf("key")}}}}),
		[]string{"etcdserverpb.KV/Put idempotency_key.field"}},
	{"a bound of no repeats", inUnary(&mth{Retry: &retry{MaxAttempts: i32(1), MaxElapsedMs: i64(500)}}), []string{"shop.v1.Shop/Get retry.max_elapsed_ms"}},
	{"fields that this version does not know", inUnary(withUnknown(&mth{Retry: withUnknown(&retry{Backoff: withUnknown(&backoff{}, 3)}, 40)}, 17)), []string{
		"shop.v1.Shop/Get field 17", "shop.v1.Shop/Get retry.backoff.field 3", "shop.v1.Shop/Get retry.field 40",
	}},
	{"options that are no message", inRPC(rpc{name: "Get", raw: []byte{0xff}}), []string{"shop.v1.Shop/Get options"}},

	// Of a service.
	{"a budget that cannot be", inOptions(&svc{RetryBudget: &budget{RatioPercent: i32(101), MinPerSecond: i32(-1), WindowMs: i64(999)}}), []string{
		"shop.v1.Shop retry_budget.min_per_second", "shop.v1.Shop retry_budget.ratio_percent", "shop.v1.Shop retry_budget.window_ms",
	}},
	{"a connection that cannot be", inOptions(&svc{Connection: &conn{
		ConnectTimeoutMs: i64(0), KeepaliveTimeMs: i64(9999), KeepaliveTimeoutMs: i64(0), TcpUserTimeoutMs: i64(-1), MaxAgeMs: i64(-1),
	}}), []string{
		"shop.v1.Shop connection.connect_timeout_ms", "shop.v1.Shop connection.keepalive_time_ms", "shop.v1.Shop connection.keepalive_timeout_ms",
		"shop.v1.Shop connection.max_age_ms", "shop.v1.Shop connection.tcp_user_timeout_ms",
	}},
	{"a connection in the wrong unit", inOptions(&svc{Connection: &conn{
		ConnectTimeoutMs: i64(1_000_000_000_000), KeepaliveTimeMs: i64(math.MaxInt64), MaxAgeMs: i64(18_446_744_073_710),
	}}), []string{
		"shop.v1.Shop connection.connect_timeout_ms", "shop.v1.Shop connection.keepalive_time_ms", "shop.v1.Shop connection.max_age_ms",
	}},
	{"defaults that no method need repeat", inOptions(&svc{Defaults: &mth{DeadlineMs: i64(100), AttemptTimeoutMs: i64(200), Retry: &retry{MaxAttempts: i32(12)}}}), []string{
		"shop.v1.Shop defaults.attempt_timeout_ms", "shop.v1.Shop defaults.retry.max_attempts",
	}},
	{"a default and a method's own, both wrong", inProto(spec{name: "Shop", options: &svc{Defaults: &mth{Retry: &retry{MaxAttempts: i32(12)}}}, methods: []rpc{
		{name: "Get"}, {name: "Put", options: &mth{Retry: &retry{MaxAttempts: i32(13)}}},
	}}), []string{"shop.v1.Shop defaults.retry.max_attempts", "shop.v1.Shop/Put retry.max_attempts"}},
	{"fields of a service that this version does not know", inOptions(withUnknown(&svc{
		Defaults: withUnknown(&mth{}, 9), Balance: withUnknown(&surefootv1.Balance{}, 2),
		RetryBudget: withUnknown(&budget{}, 4), Connection: withUnknown(&conn{}, 6),
	}, 5)), []string{
		"shop.v1.Shop balance.field 2", "shop.v1.Shop connection.field 6", "shop.v1.Shop defaults.field 9",
		"shop.v1.Shop field 5", "shop.v1.Shop retry_budget.field 4",
	}},
	{"options of a service that are no message", inProto(spec{name: "Shop", raw: []byte{0xff}}), []string{"shop.v1.Shop options"}},

	// Of services that share a channel.
	{"two services that disagree", inProto(
		spec{name: "Shop", options: &svc{RetryBudget: &budget{RatioPercent: i32(20)}, Connection: &conn{ConnectTimeoutMs: i64(500), MaxAgeMs: i64(60_000)}}},
		spec{name: "Silent"},
		spec{name: "Till", options: &svc{RetryBudget: &budget{RatioPercent: i32(10)}, Connection: &conn{ConnectTimeoutMs: i64(800), MaxAgeMs: i64(60_000)}}},
	), []string{"shop.v1.Till connection.connect_timeout_ms", "shop.v1.Till retry_budget.ratio_percent"}},
	{"a service and a contract in Go that disagree", inGo(
		&given{ServiceName: "shop.v1.Shop", Service: &svc{Connection: &conn{MaxAgeMs: i64(60_000)}}},
		&given{ServiceName: "till.v1.Till", Service: &svc{Connection: &conn{MaxAgeMs: i64(70_000)}}},
	), []string{"till.v1.Till connection.max_age_ms"}},
	{"services that are right alone and wrong together", func(t testing.TB) contract.Sources {
		return contract.Sources{
			House: &svc{Connection: &conn{KeepaliveTimeMs: i64(0)}},
			Services: build(t,
				spec{name: "Shop", options: &svc{Connection: &conn{KeepaliveTimeMs: i64(10_000)}}},
				spec{name: "Till", options: &svc{Connection: &conn{KeepaliveTimeoutMs: i64(0)}}}),
		}
	}, []string{" connection.keepalive_timeout_ms"}},

	// Of contracts given in Go.
	{"no service", inGo(&given{}), []string{" service_name"}},
	{"no name of a service", inGo(&given{ServiceName: "/shop.v1.Shop/"}), []string{" service_name"}},
	{"a service twice", inGo(&given{ServiceName: "shop.v1.Shop"}, &given{ServiceName: "shop.v1.Shop"}), []string{"shop.v1.Shop service_name"}},
	{"a method that the service does not have", inGo(&given{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Got": {}, "/shop.v1.Shop/Get": {}}}),
		[]string{"shop.v1.Shop methods", "shop.v1.Shop methods"}},
	{"a method that no service can have", inGo(&given{ServiceName: "etcdserverpb.KV", Methods: map[string]*givenM{"/etcdserverpb.KV/Range": {}}}),
		[]string{"etcdserverpb.KV methods"}},
	{"a level that does not exist", inGo(&given{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {IdempotencyLevel: surefootv1.IdempotencyLevel(3).Enum()}}}),
		[]string{"shop.v1.Shop/Get idempotency_level"}},
	{"a level that the owner did not give", inGo(&given{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {
		IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum(),
	}}}), []string{"shop.v1.Shop/Get idempotency_level"}},
	{"a level for an owner who gave none", func(t testing.TB) contract.Sources {
		return contract.Sources{
			Services: build(t, spec{name: "Shop", options: &svc{}, methods: []rpc{{name: "Put"}}}),
			Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Put": {
				IdempotencyLevel: surefootv1.IdempotencyLevel_IDEMPOTENT.Enum(), Method: &mth{Retry: &retry{Codes: aborted}},
			}}}},
		}
	}, []string{"shop.v1.Shop/Put idempotency_level", "shop.v1.Shop/Put retry.codes"}},
	{"what can never take effect, in Go", func(t testing.TB) contract.Sources {
		never := &mth{AttemptTimeoutMs: i64(250), Retry: &retry{MaxAttempts: i32(1), Codes: aborted}}
		return contract.Sources{
			Services: build(t, spec{name: "Shop", methods: []rpc{
				{name: "Get", level: idempotent, options: &mth{Retry: &retry{MaxAttempts: i32(1)}}}, {name: "Put"},
			}}),
			Contracts: []*given{
				{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{
					"Get": {Method: &mth{Retry: &retry{Codes: aborted}}}, "Put": {Method: &mth{AttemptTimeoutMs: i64(250)}},
				}},
				{ServiceName: "etcdserverpb.KV", Methods: map[string]*givenM{
					"Range": {Method: never, IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum()},
					"Put":   {Method: &mth{AttemptTimeoutMs: i64(250)}},
				}},
			},
		}
	}, []string{
		"etcdserverpb.KV/Put attempt_timeout_ms", "etcdserverpb.KV/Range retry.codes",
		"shop.v1.Shop/Get retry.codes", "shop.v1.Shop/Put attempt_timeout_ms",
	}},
	{"what streams do not have, in Go", inGo(&given{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Watch": {Method: &mth{AttemptTimeoutMs: i64(1)}}}}),
		[]string{"shop.v1.Shop/Watch attempt_timeout_ms"}},
	{"fields in Go that this version does not know", inGo(withUnknown(&given{
		ServiceName: "shop.v1.Shop",
		Service:     withUnknown(&svc{Connection: withUnknown(&conn{}, 6)}, 5),
		Methods: map[string]*givenM{
			"Get":   withUnknown(&givenM{Method: withUnknown(&mth{Retry: withUnknown(&retry{}, 40)}, 17)}, 3),
			"Watch": withUnknown(&givenM{}, 3),
		},
	}, 4)), []string{
		"shop.v1.Shop connection.field 6", "shop.v1.Shop field 4", "shop.v1.Shop field 5",
		"shop.v1.Shop/Get field 17", "shop.v1.Shop/Get field 3", "shop.v1.Shop/Get retry.field 40", "shop.v1.Shop/Watch field 3",
	}},
	{"mistakes in Go for a service that nobody describes", inGo(withUnknown(&given{
		ServiceName: "etcdserverpb.KV",
		Service:     &svc{Connection: &conn{MaxAgeMs: i64(-1)}, Defaults: &mth{DeadlineMs: i64(-1)}},
		Methods: map[string]*givenM{
			"Range": {Method: &mth{Retry: &retry{Codes: aborted}}},
			"Watch": {Method: &mth{AttemptTimeoutMs: i64(math.MaxInt64), Stream: &stream{SilenceMs: i64(1)}}},
		},
	}, 4)), []string{
		"etcdserverpb.KV connection.max_age_ms", "etcdserverpb.KV defaults.deadline_ms", "etcdserverpb.KV field 4",
		"etcdserverpb.KV/Range retry.codes", "etcdserverpb.KV/Watch attempt_timeout_ms", "etcdserverpb.KV/Watch stream.silence_ms",
	}},
	{"each mistake with its own source", func(t testing.TB) contract.Sources {
		return contract.Sources{
			House: &svc{RetryBudget: &budget{WindowMs: i64(-1)}},
			Services: build(t, spec{name: "Shop", options: &svc{Connection: &conn{MaxAgeMs: i64(-1)}}, methods: []rpc{
				{name: "Get", options: &mth{DeadlineMs: i64(-1)}}, {name: "Put", options: &mth{DeadlineMs: i64(-2)}},
			}}),
			Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Put": {Method: &mth{DeadlineMs: i64(-3)}}}}},
		}
	}, []string{
		" retry_budget.window_ms", "shop.v1.Shop connection.max_age_ms", "shop.v1.Shop/Get deadline_ms", "shop.v1.Shop/Put deadline_ms",
	}},

	// Of house defaults.
	{"house defaults that cannot be", inHouseDefaults(withUnknown(&svc{
		Connection: &conn{ConnectTimeoutMs: i64(-1)},
		Defaults:   &mth{DeadlineMs: i64(-1), Retry: &retry{MaxAttempts: i32(99), Codes: []surefootv1.Code{77}}},
	}, 99)), []string{
		" connection.connect_timeout_ms", " defaults.deadline_ms", " defaults.retry.codes", " defaults.retry.max_attempts", " field 99",
	}},
	{"methods in a profile of the house", inHouseDefaults(&svc{Profiles: map[string]*profile{
		"calm": {Methods: map[string]*mth{"Get": {}}, Defaults: &mth{DeadlineMs: i64(-1)}},
	}}), []string{" profiles.calm.defaults.deadline_ms", " profiles.calm.methods"}},

	// Of profiles, all of which are checked.
	{"profiles that cannot be", func(t testing.TB) contract.Sources {
		return contract.Sources{Profile: "calm", Services: build(t, spec{
			name: "Shop",
			options: &svc{Profiles: map[string]*profile{
				"calm": {},
				"hasty": {
					Defaults: withUnknown(&mth{DeadlineMs: i64(100), AttemptTimeoutMs: i64(200)}, 99),
					Methods: map[string]*mth{
						"Put": {Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}},
						"Gte": {},
					},
				},
				"two words": {},
			}},
			methods: []rpc{{name: "Get", level: readOnly}, {name: "Put"}},
		})}
	}, []string{
		"shop.v1.Shop profiles", "shop.v1.Shop profiles.hasty.defaults.attempt_timeout_ms", "shop.v1.Shop profiles.hasty.defaults.field 99",
		"shop.v1.Shop profiles.hasty.methods", "shop.v1.Shop profiles.hasty.methods.Put.retry.codes",
	}},
	{"a profile that nobody has", func(t testing.TB) contract.Sources {
		return contract.Sources{Profile: "hastey", House: &svc{Profiles: map[string]*profile{"calm": {}}}, Services: build(t,
			spec{name: "Shop", options: &svc{Profiles: map[string]*profile{"hasty": {}}}}, spec{name: "Cart"})}
	}, []string{" profile"}},
	{"a profile where there is none", func(t testing.TB) contract.Sources {
		return contract.Sources{Profile: "calm", Services: build(t, spec{name: "Shop"})}
	}, []string{" profile"}},

	// Of overrides.
	{"overrides that cannot be", func(t testing.TB) contract.Sources {
		codes := &mth{Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}
		return contract.Sources{
			Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get", level: readOnly}, {name: "Put"}}}),
			Overrides: &contract.Overrides{
				Name: "o.yaml",
				List: []*surefootv1.Override{
					{Methods: new("shop.v1.Shop/Gte"), Set: &mth{}},
					{Methods: new("shop.v1.Shop/Put"), Set: codes},
					{Methods: new("Get*"), Set: &mth{}},
					{Set: &mth{}},
					{Methods: new("*")},
					{Methods: new("*"), Set: withUnknown(&mth{DeadlineMs: i64(-1)}, 99)},
				},
				Positions: map[contract.OverrideField]contract.Position{
					{Index: 1}: {File: "o.yaml", Line: 4, Column: 3}, {Index: 5, Path: "set.deadline_ms"}: {File: "o.yaml", Line: 9, Column: 7},
				},
			},
		}
	}, []string{
		" methods", " methods", " set", " set.deadline_ms", " set.field 99", "shop.v1.Shop methods", "shop.v1.Shop/Put set.retry.codes",
	}},
}

func TestMistakesAreToldAllAtOnce(t *testing.T) {
	var all strings.Builder
	for _, c := range mistakes {
		_, err := contract.Compile(c.sources(t))
		var e *contract.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: no contract error but %v", c.name, err)
			continue
		}
		got := make([]string, 0, len(e.Problems))
		for _, p := range e.Problems {
			where := p.Service
			if p.Method != "" {
				where += "/" + p.Method
			}
			got = append(got, where+" "+p.Field)
			if p.Source == "" || !strings.Contains(p.Text, ": ") || !strings.Contains(err.Error(), p.String()) {
				t.Errorf("%s: %q names no source, or no way to fix it", c.name, p)
			}
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
		all.WriteString("# " + c.name + "\n" + err.Error() + "\n\n")
	}
	golden(t, "testdata/problems.txt", all.String())
}

// golden compares got with what people have read and found good.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(b), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(want) || want[i] != line {
			t.Fatalf("%s:%d: got %q\nrun with -update if that is right", file, i+1, line)
		}
	}
}

func TestTheSameMistakesMakeTheSameMessage(t *testing.T) {
	for _, c := range mistakes {
		_, first := contract.Compile(c.sources(t))
		_, again := contract.Compile(c.sources(t))
		if first == nil || first.Error() != again.Error() {
			t.Errorf("%s:\n%v\n%v", c.name, first, again)
		}
	}
}

// A mistake of a contract that is only a descriptor's is told like any other.
func TestUnknownFieldsAreToldHoweverTheDescriptorHoldsThem(t *testing.T) {
	f := spec{name: "Shop", methods: []rpc{{name: "Get", options: withUnknown(&mth{}, 17)}}}.file()
	_, err := contract.Compile(contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get", options: withUnknown(&mth{}, 17)}}})})
	_, dynamic := contract.Compile(contract.Sources{Services: []protoreflect.ServiceDescriptor{link(t, reread(t, f, dynamicTypes(t)))}})
	if err == nil || dynamic == nil || err.Error() != dynamic.Error() {
		t.Errorf("%v\n%v", err, dynamic)
	}
}
