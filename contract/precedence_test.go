package contract_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// The places where a value may be written, the weaker before the stronger.
const (
	inHouse = iota
	inService
	inServiceInGo
	inMethod
	inMethodInGo
	inHouseProfile
	inProfile
	inProfileOfMethod
	inOverrideOfAll
	inOverrideOfOne
	places
)

// everyChoice calls visit with every set of up to three places, and of all, and
// the strongest of them, or -1. Three tell whatever goes wrong among more.
func everyChoice(visit func(chosen [places]bool, strongest int)) {
	for bits := range 1 << places {
		var chosen [places]bool
		strongest := -1
		for place := range places {
			if chosen[place] = bits>>place&1 != 0; chosen[place] {
				strongest = place
			}
		}
		if n := count(chosen); n <= 3 || n == places {
			visit(chosen, strongest)
		}
	}
}

func TestTheStrongestPlaceWinsForEachFieldOfAMethod(t *testing.T) {
	unary, _, _ := policy.House()
	listed := [places]surefootv1.Code{
		surefootv1.Code_ABORTED, surefootv1.Code_INTERNAL, surefootv1.Code_UNKNOWN, surefootv1.Code_UNAVAILABLE, surefootv1.Code_DATA_LOSS,
		surefootv1.Code_CANCELLED, surefootv1.Code_NOT_FOUND, surefootv1.Code_OUT_OF_RANGE, surefootv1.Code_UNIMPLEMENTED, surefootv1.Code_RESOURCE_EXHAUSTED,
	}
	for _, field := range []struct {
		name string
		set  func(m *mth, place int)
		get  func(policy.Method) any
		want func(place int) any
	}{
		{
			"deadline_ms",
			func(m *mth, place int) { m.DeadlineMs = i64(int64(1000 + place)) },
			func(m policy.Method) any { return m.Deadline },
			func(place int) any { return time.Duration(1000+place) * ms },
		},
		{
			"attempt_timeout_ms",
			func(m *mth, place int) { m.AttemptTimeoutMs = i64(int64(100 + place)) },
			func(m policy.Method) any { return m.AttemptTimeout },
			func(place int) any { return time.Duration(100+place) * ms },
		},
		{
			"deadline_per_kib_us",
			func(m *mth, place int) { m.DeadlinePerKibUs = i64(int64(10 + place)) },
			func(m policy.Method) any { return m.DeadlinePerKiB },
			func(place int) any { return time.Duration(10+place) * time.Microsecond },
		},
		{
			"attempt_timeout_per_kib_us",
			func(m *mth, place int) {
				m.AttemptTimeoutMs, m.AttemptTimeoutPerKibUs = i64(100), i64(int64(10+place))
			},
			func(m policy.Method) any { return m.AttemptTimeoutPerKiB },
			func(place int) any { return time.Duration(10+place) * time.Microsecond },
		},
		{
			"retry.until_deadline",
			func(m *mth, place int) { m.Retry = &retry{UntilDeadline: new(place%2 == 0)} },
			func(m policy.Method) any { return m.Retry.UntilDeadline },
			func(place int) any { return place%2 == 0 },
		},
		{
			"wait_for_ready_ms",
			func(m *mth, place int) { m.WaitForReadyMs = i64(int64(60 + place)) },
			func(m policy.Method) any { return m.WaitForReady },
			func(place int) any { return time.Duration(60+place) * ms },
		},
		{
			"retry.max_elapsed_ms",
			func(m *mth, place int) { m.Retry = &retry{MaxElapsedMs: i64(int64(10 + place))} },
			func(m policy.Method) any { return m.Retry.MaxElapsed },
			func(place int) any { return time.Duration(10+place) * ms },
		},
		{
			"deadline_margin_ms",
			func(m *mth, place int) { m.DeadlineMarginMs = i64(int64(30 + place)) },
			func(m policy.Method) any { return m.DeadlineMargin },
			func(place int) any { return time.Duration(30+place) * ms },
		},
		{
			"retry.max_attempts",
			func(m *mth, place int) { m.Retry = &retry{MaxAttempts: i32(int32(1 + place))} },
			func(m policy.Method) any { return m.Retry.MaxAttempts },
			func(place int) any { return 1 + place },
		},
		{
			"retry.codes",
			func(m *mth, place int) { m.Retry = &retry{Codes: []surefootv1.Code{listed[place]}} },
			func(m policy.Method) any { return m.Retry.Codes },
			func(place int) any { return policy.Codes(codes.Code(listed[place])) },
		},
		{
			"retry.backoff.base_ms",
			func(m *mth, place int) { m.Retry = &retry{Backoff: &backoff{BaseMs: i64(int64(50 + place))}} },
			func(m policy.Method) any { return m.Retry.Backoff.Base },
			func(place int) any { return time.Duration(50+place) * ms },
		},
		{
			"retry.backoff.max_ms",
			func(m *mth, place int) { m.Retry = &retry{Backoff: &backoff{MaxMs: i64(int64(500 + place))}} },
			func(m policy.Method) any { return m.Retry.Backoff.Max },
			func(place int) any { return time.Duration(500+place) * ms },
		},
		{
			"hedge.delay_ms",
			func(m *mth, place int) { m.Hedge = &hedge{DelayMs: i64(int64(20 + place))} },
			func(m policy.Method) any { return m.Hedge.Delay },
			func(place int) any { return time.Duration(20+place) * ms },
		},
		{
			"hedge.extra_load_percent",
			func(m *mth, place int) { m.Hedge = &hedge{ExtraLoadPercent: i32(int32(1 + place))} },
			func(m policy.Method) any { return m.Hedge.ExtraLoadPercent },
			func(place int) any { return 1 + place },
		},
		{
			"hedge.max_hedges",
			func(m *mth, place int) { m.Hedge = &hedge{DelayMs: i64(20), MaxHedges: i32(int32(place))} },
			func(m policy.Method) any { return m.Hedge.MaxHedges },
			func(place int) any { return place },
		},
		{
			"deadline_observed.quantile_permille",
			func(m *mth, place int) {
				m.DeadlineObserved = &observe{QuantilePermille: i32(int32(900 + place)), CeilingMs: i64(500)}
			},
			func(m policy.Method) any { return m.DeadlineObserved.QuantilePermille },
			func(place int) any { return 900 + place },
		},
		{
			"deadline_observed.factor_percent",
			func(m *mth, place int) { m.DeadlineObserved = &observe{FactorPercent: i32(int32(110 + place))} },
			func(m policy.Method) any { return m.DeadlineObserved.FactorPercent },
			func(place int) any { return 110 + place },
		},
		{
			"deadline_observed.floor_ms",
			func(m *mth, place int) { m.DeadlineObserved = &observe{FloorMs: i64(int64(5 + place))} },
			func(m policy.Method) any { return m.DeadlineObserved.Floor },
			func(place int) any { return time.Duration(5+place) * ms },
		},
		{
			"deadline_observed.ceiling_ms",
			func(m *mth, place int) { m.DeadlineObserved = &observe{CeilingMs: i64(int64(200 + place))} },
			func(m policy.Method) any { return m.DeadlineObserved.Ceiling },
			func(place int) any { return time.Duration(200+place) * ms },
		},
		{
			"attempt_timeout_observed.quantile_permille",
			func(m *mth, place int) {
				m.AttemptTimeoutObserved = &observe{QuantilePermille: i32(int32(900 + place)), CeilingMs: i64(500)}
			},
			func(m policy.Method) any { return m.AttemptTimeoutObserved.QuantilePermille },
			func(place int) any { return 900 + place },
		},
		{
			"attempt_timeout_observed.factor_percent",
			func(m *mth, place int) { m.AttemptTimeoutObserved = &observe{FactorPercent: i32(int32(110 + place))} },
			func(m policy.Method) any { return m.AttemptTimeoutObserved.FactorPercent },
			func(place int) any { return 110 + place },
		},
		{
			"attempt_timeout_observed.floor_ms",
			func(m *mth, place int) { m.AttemptTimeoutObserved = &observe{FloorMs: i64(int64(5 + place))} },
			func(m policy.Method) any { return m.AttemptTimeoutObserved.Floor },
			func(place int) any { return time.Duration(5+place) * ms },
		},
		{
			"attempt_timeout_observed.ceiling_ms",
			func(m *mth, place int) { m.AttemptTimeoutObserved = &observe{CeilingMs: i64(int64(200 + place))} },
			func(m policy.Method) any { return m.AttemptTimeoutObserved.Ceiling },
			func(place int) any { return time.Duration(200+place) * ms },
		},
	} {
		everyChoice(func(chosen [places]bool, strongest int) {
			got := compiled(t, chosen, func(place int, _ *svc, m *mth) { field.set(m, place) })
			want := unary
			want.Safety = policy.Idempotent
			if strongest >= 0 && field.get(got) != field.want(strongest) {
				t.Errorf("%s in %v: %v, want %v", field.name, chosen, field.get(got), field.want(strongest))
			}
			if strongest < 0 && got != want {
				t.Errorf("nothing is said: %+v, want %+v", got, want)
			}
		})
	}
}

// compiled returns the policy of a method for which set was called at each of
// the chosen places.
func compiled(t *testing.T, chosen [places]bool, set func(place int, s *svc, m *mth)) policy.Method {
	t.Helper()
	return lookup(t, compile(t, said(t, chosen, set)), "/shop.v1.Shop/Get").Unary
}

// said returns what says of Shop.Get, for which set was called at each of the
// chosen places.
func said(t *testing.T, chosen [places]bool, set func(place int, s *svc, m *mth)) contract.Sources {
	t.Helper()
	services := [places]*svc{inHouse: {}, inService: {}, inServiceInGo: {}}
	var methods [places]*mth
	for place := range places {
		if methods[place] = new(mth); chosen[place] {
			set(place, services[place], methods[place])
		}
		if services[place] != nil {
			services[place].Defaults = methods[place]
		}
	}
	services[inHouse].Profiles = map[string]*profile{"calm": {Defaults: methods[inHouseProfile]}}
	services[inService].Profiles = map[string]*profile{
		"calm":  {Defaults: methods[inProfile], Methods: map[string]*mth{"Get": methods[inProfileOfMethod]}},
		"other": {Defaults: &mth{DeadlineMs: i64(7), AttemptTimeoutMs: i64(1)}},
	}
	return contract.Sources{
		House:    services[inHouse],
		Services: build(t, spec{name: "Shop", options: services[inService], methods: []rpc{{name: "Get", level: idempotent, options: methods[inMethod]}}}),
		Contracts: []*given{{
			ServiceName: "shop.v1.Shop", Service: services[inServiceInGo],
			Methods: map[string]*givenM{"Get": {Method: methods[inMethodInGo]}},
		}},
		Profile: "calm",
		Overrides: &contract.Overrides{Name: "overrides.yaml", List: []*surefootv1.Override{
			{Methods: new("*"), Set: methods[inOverrideOfAll]},
			{Methods: new("shop.v1.Shop/Get"), Set: methods[inOverrideOfOne]},
			{Methods: new("shop.v1.Other/*"), Set: &mth{DeadlineMs: i64(8)}},
		}},
	}
}

func TestTheStrongestPlaceWinsForEachFieldOfAChannel(t *testing.T) {
	_, _, house := policy.House()
	const strengths = inServiceInGo + 1 // methods say nothing of channels
	for _, field := range []struct {
		name string
		unit time.Duration
		set  func(s *svc, v int64)
		get  func(policy.Channel) time.Duration
	}{
		{"retry_budget.ratio_percent", 1, func(s *svc, v int64) { s.RetryBudget = &budget{RatioPercent: i32(int32(v % 100))} },
			func(c policy.Channel) time.Duration { return time.Duration(c.Budget.RatioPercent) + 12_000 }},
		{"retry_budget.min_per_second", 1, func(s *svc, v int64) { s.RetryBudget = &budget{MinPerSecond: i32(int32(v))} },
			func(c policy.Channel) time.Duration { return time.Duration(c.Budget.MinPerSecond) }},
		{"retry_budget.window_ms", ms, func(s *svc, v int64) { s.RetryBudget = &budget{WindowMs: &v} },
			func(c policy.Channel) time.Duration { return c.Budget.Window }},
		{"connection.connect_timeout_ms", ms, func(s *svc, v int64) { s.Connection = &conn{ConnectTimeoutMs: &v} },
			func(c policy.Channel) time.Duration { return c.Connection.ConnectTimeout }},
		{"connection.keepalive_time_ms", ms, func(s *svc, v int64) { s.Connection = &conn{KeepaliveTimeMs: &v} },
			func(c policy.Channel) time.Duration { return c.Connection.KeepaliveTime }},
		{"connection.keepalive_timeout_ms", ms, func(s *svc, v int64) { s.Connection = &conn{KeepaliveTimeoutMs: &v} },
			func(c policy.Channel) time.Duration { return c.Connection.KeepaliveTimeout }},
		{"connection.tcp_user_timeout_ms", ms, func(s *svc, v int64) { s.Connection = &conn{TcpUserTimeoutMs: &v} },
			func(c policy.Channel) time.Duration { return c.Connection.TCPUserTimeout }},
		{"connection.max_age_ms", ms, func(s *svc, v int64) { s.Connection = &conn{MaxAgeMs: &v} },
			func(c policy.Channel) time.Duration { return c.Connection.MaxAge }},
	} {
		value := func(place int) int64 { return int64(12_001 + place) }
		for bits := range 1 << strengths {
			want := field.get(house)
			said := [strengths]*svc{{}, {}, {}}
			for place := range strengths {
				if bits>>place&1 != 0 {
					field.set(said[place], value(place))
					want = time.Duration(value(place)) * field.unit
				}
			}
			table := compile(t, contract.Sources{
				House:     said[inHouse],
				Services:  build(t, spec{name: "Shop", options: said[inService]}),
				Contracts: []*given{{ServiceName: "shop.v1.Shop", Service: said[inServiceInGo]}},
			})
			if got := field.get(table.Channel); got != want {
				t.Errorf("%s in %03b: %v, want %v", field.name, bits, got, want)
			}
		}
	}
}

// A field that no test above knows would be one that nobody has seen obeyed.
// The fields of a channel have a test of their own.
func TestEveryFieldOfTheLanguageIsCompiled(t *testing.T) {
	var got []string
	for _, m := range []proto.Message{&svc{}, &mth{}, &retry{}, &backoff{}, &budget{}, &hedge{}, &observe{}, &given{}, &givenM{}} {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if name := fields.Get(i).FullName(); !contract.Pending[name] {
				got = append(got, string(name))
			}
		}
	}
	// And those that TestEachFieldOfAServiceReachesThePolicy sets, and the tests of
	// breakers and streams.
	known := strings.Fields(`
		Service.defaults Service.balance Service.retry_budget Service.connection Service.discovery Service.profiles
		Method.deadline_ms Method.deadline_margin_ms Method.attempt_timeout_ms Method.deadline_per_kib_us Method.attempt_timeout_per_kib_us
		Method.retry Retry.max_attempts Retry.codes Retry.max_elapsed_ms Retry.until_deadline Retry.backoff Backoff.base_ms Backoff.max_ms
		Method.idempotency_key Method.wait_for_ready_ms
		Method.breaker
		Method.hedge Hedge.delay_ms Hedge.extra_load_percent Hedge.max_hedges
		Method.deadline_observed Method.attempt_timeout_observed
		Observed.quantile_permille Observed.factor_percent Observed.floor_ms Observed.ceiling_ms
		Method.stream
		RetryBudget.ratio_percent RetryBudget.min_per_second RetryBudget.window_ms
		Contract.service_name Contract.service Contract.methods MethodContract.method MethodContract.idempotency_level
	`)
	for _, name := range got {
		if name = strings.TrimPrefix(name, "surefoot.v1."); !slices.Contains(known, name) {
			t.Errorf("the tests of this package do not know %s: add it to them, then here", name)
		}
	}
	if len(got) != len(known) {
		t.Errorf("%d fields are known, and there are %d", len(known), len(got))
	}
}

// A level in Go speaks for a .proto that is silent, and never against one that
// speaks: with a level of its own, or with options of Surefoot and no level.
func TestALevelInGoSpeaksForASilentProto(t *testing.T) {
	levels := []surefootv1.IdempotencyLevel{
		surefootv1.IdempotencyLevel_IDEMPOTENCY_UNKNOWN, surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS, surefootv1.IdempotencyLevel_IDEMPOTENT,
	}
	safeties := []policy.Safety{policy.Unsafe, policy.ReadOnly, policy.Idempotent}
	for _, owner := range []struct {
		name    string
		service *svc
		method  *mth
	}{{"no options", nil, nil}, {"options of the service", &svc{}, nil}, {"options of the method", nil, &mth{}}} {
		for i, inProto := range levels {
			shop := build(t, spec{name: "Shop", options: owner.service, methods: []rpc{
				{name: "Get", options: owner.method, level: descriptorpb.MethodOptions_IdempotencyLevel(inProto)},
			}})
			silent := owner.service == nil && owner.method == nil && i == 0
			for j := range levels {
				t.Run(fmt.Sprintf("%s, %v over %v", owner.name, levels[j], inProto), func(t *testing.T) {
					table, err := contract.Compile(contract.Sources{Services: shop, Contracts: []*given{{
						ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {IdempotencyLevel: &levels[j]}},
					}}})
					if !silent && i != j {
						if err == nil || !strings.Contains(err.Error(), "shop.v1.Shop/Get: idempotency_level is "+levels[j].String()) {
							t.Errorf("a contradiction of the owner is told as: %v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if got := lookup(t, table, "/shop.v1.Shop/Get").Unary.Safety; got != safeties[j] {
						t.Errorf("%v, want %v", got, safeties[j])
					}
				})
			}
			table := compile(t, contract.Sources{Services: shop, Contracts: []*given{{
				ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {}},
			}}})
			if got := lookup(t, table, "/shop.v1.Shop/Get").Unary.Safety; got != safeties[i] {
				t.Errorf("%s, nothing over %v: %v, want %v", owner.name, inProto, got, safeties[i])
			}
		}
	}
}

// The owner of the example said how Reserve is called, and not that it may be
// repeated: no caller can say so for him.
func TestAWriteOfAnOwnedContractCannotBeMadeRepeatable(t *testing.T) {
	_, err := contract.Compile(contract.Sources{Contracts: []*given{{
		ServiceName: "inventory.v1.Inventory",
		Methods:     map[string]*givenM{"Reserve": {IdempotencyLevel: surefootv1.IdempotencyLevel_IDEMPOTENT.Enum()}},
	}}})
	want := "contract: contract given in Go over inventory.proto: inventory.v1.Inventory/Reserve: idempotency_level is IDEMPOTENT, " +
		"but inventory.proto declares a contract and leaves it out; whether the method may be repeated is its owner's to say: " +
		"remove it here, or have option idempotency_level changed in that .proto"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
