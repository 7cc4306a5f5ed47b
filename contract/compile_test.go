package contract_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

const ms = time.Millisecond

func inventory() protoreflect.ServiceDescriptor {
	return inventoryv1.File_inventory_proto.Services().Get(0)
}

func TestTheContractOfTheExample(t *testing.T) {
	table := compile(t, contract.Sources{Services: []protoreflect.ServiceDescriptor{inventory()}})
	retry := policy.Retry{MaxAttempts: 3, Backoff: policy.Backoff{Base: 25 * ms, Max: time.Second}}
	reserve, _, _ := policy.House()
	reserve.Deadline = 2 * time.Second
	get := reserve
	get.AttemptTimeout, get.Safety, get.Retry.Codes = 250*ms, policy.ReadOnly, policy.Codes(codes.Aborted)
	for method, want := range map[string]policy.Method{
		"Get":     get,
		"Reserve": reserve,
		"Watch": {Safety: policy.ReadOnly, Streaming: true, Retry: retry, Stream: policy.Stream{
			Silence: 5 * time.Second, Resume: policy.Resume{RequestField: "from_revision", ResponseField: "revision", Step: 1},
		}},
	} {
		want.Breaker = policy.HouseBreaker()
		want.DeadlineMargin, want.WaitForReady = 20*ms, 2*time.Second
		m := lookup(t, table, "/inventory.v1.Inventory/"+method)
		if m.Unary != want || m.Stream != want {
			t.Errorf("%s: %+v, want %+v", method, *m, want)
		}
	}
	_, _, want := policy.House()
	if table.Channel != want {
		t.Errorf("channel: %+v, want %+v", table.Channel, want)
	}
}

func TestAContractThatSaysNothingIsTheHouseDefaults(t *testing.T) {
	unary, stream, channel := policy.House()
	table := compile(t, contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{
		{name: "Get"}, {name: "Watch", replies: true}, {name: "Upload", requests: true},
	}})})
	upload := stream
	upload.ClientStreaming = true
	for method, want := range map[string]policy.Method{"Get": unary, "Watch": stream, "Upload": upload} {
		if m := lookup(t, table, "/shop.v1.Shop/"+method); m.Unary != want || m.Stream != want {
			t.Errorf("%s: %+v, want %+v", method, *m, want)
		}
	}
	if table.Channel != channel {
		t.Errorf("channel: %+v, want %+v", table.Channel, channel)
	}
	if table := compile(t, contract.Sources{}); table.Channel != channel {
		t.Errorf("without a service: %+v, want %+v", table.Channel, channel)
	}
}

func TestSafetyIsTheStandardOption(t *testing.T) {
	table := compile(t, contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{
		{name: "Undeclared"}, {name: "Idempotent", level: idempotent}, {name: "ReadOnly", level: readOnly},
		{name: "Stream", level: readOnly, requests: true, replies: true},
	}})})
	for method, want := range map[string]policy.Safety{
		"Undeclared": policy.Unsafe, "Idempotent": policy.Idempotent, "ReadOnly": policy.ReadOnly, "Stream": policy.ReadOnly,
	} {
		if got := lookup(t, table, "/shop.v1.Shop/"+method).Unary.Safety; got != want {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
}

func TestGoodContracts(t *testing.T) {
	// with returns the house defaults of an idempotent unary method, changed.
	with := func(change func(*policy.Method)) policy.Method {
		m, _, _ := policy.House()
		m.Safety = policy.Idempotent
		change(&m)
		return m
	}
	streaming := func(change func(*policy.Method)) policy.Method {
		_, m, _ := policy.House()
		m.Safety = policy.Idempotent
		change(&m)
		return m
	}
	for _, c := range []struct {
		name    string
		house   *svc
		service *svc
		method  rpc
		want    policy.Method
	}{
		{
			"everything of a method", nil, nil,
			rpc{options: &mth{DeadlineMs: i64(900), AttemptTimeoutMs: i64(300), DeadlineMarginMs: i64(7), Retry: &retry{
				MaxAttempts: i32(5), Codes: []surefootv1.Code{surefootv1.Code_ABORTED, surefootv1.Code_UNAVAILABLE},
				Backoff: &backoff{BaseMs: i64(10), MaxMs: i64(80)},
			},
				Hedge:                  &hedge{DelayMs: i64(20), ExtraLoadPercent: i32(5), MaxHedges: i32(2)},
				DeadlineObserved:       &observe{QuantilePermille: i32(990), FactorPercent: i32(300), FloorMs: i64(50), CeilingMs: i64(800)},
				AttemptTimeoutObserved: &observe{QuantilePermille: i32(950), FactorPercent: i32(150), FloorMs: i64(10), CeilingMs: i64(200)},
			}},
			with(func(m *policy.Method) {
				m.Deadline, m.AttemptTimeout, m.DeadlineMargin = 900*ms, 300*ms, 7*ms
				m.Retry = policy.Retry{
					MaxAttempts: 5, Codes: policy.Codes(codes.Aborted, codes.Unavailable), Backoff: policy.Backoff{Base: 10 * ms, Max: 80 * ms},
				}
				m.Hedge = policy.Hedge{Delay: 20 * ms, ExtraLoadPercent: 5, MaxHedges: 2}
				m.DeadlineObserved = policy.Observed{QuantilePermille: 990, FactorPercent: 300, Floor: 50 * ms, Ceiling: 800 * ms}
				m.AttemptTimeoutObserved = policy.Observed{QuantilePermille: 950, FactorPercent: 150, Floor: 10 * ms, Ceiling: 200 * ms}
			}),
		},
		{
			"a hedge for which a method leaves no time is off",
			nil, &svc{Defaults: &mth{Hedge: &hedge{DelayMs: i64(100)}}},
			rpc{options: &mth{DeadlineMs: i64(100)}},
			with(func(m *policy.Method) { m.Deadline, m.Hedge = 100*ms, policy.Hedge{Delay: 100 * ms} }),
		},
		{
			"so is one for which its attempts have none",
			nil, &svc{Defaults: &mth{Hedge: &hedge{DelayMs: i64(100)}}},
			rpc{options: &mth{AttemptTimeoutMs: i64(50)}},
			with(func(m *policy.Method) { m.AttemptTimeout, m.Hedge = 50*ms, policy.Hedge{Delay: 100 * ms} }),
		},
		{
			"a time that a method fixes is fixed",
			nil, &svc{Defaults: &mth{DeadlineObserved: &observe{QuantilePermille: i32(990)}, AttemptTimeoutObserved: &observe{QuantilePermille: i32(990), CeilingMs: i64(100)}}},
			rpc{options: &mth{DeadlineMs: i64(5000), AttemptTimeoutMs: i64(300)}},
			with(func(m *policy.Method) {
				m.Deadline, m.AttemptTimeout, m.AttemptTimeoutObserved.Ceiling = 5000*ms, 300*ms, 100*ms
			}),
		},
		{
			"a bound that is set moves the one that is inherited",
			nil, nil,
			rpc{options: &mth{DeadlineObserved: &observe{CeilingMs: i64(30)}, AttemptTimeoutObserved: &observe{FloorMs: i64(70)}}},
			with(func(m *policy.Method) {
				m.DeadlineObserved.Floor, m.DeadlineObserved.Ceiling, m.AttemptTimeoutObserved.Floor = 30*ms, 30*ms, 70*ms
			}),
		},
		{
			"a floor that is set raises the ceiling that is inherited",
			nil, &svc{Defaults: &mth{DeadlineObserved: &observe{CeilingMs: i64(200)}}},
			rpc{options: &mth{DeadlineObserved: &observe{FloorMs: i64(300)}}},
			with(func(m *policy.Method) { m.DeadlineObserved.Floor, m.DeadlineObserved.Ceiling = 300*ms, 300*ms }),
		},
		{
			"no deadline", nil, nil,
			rpc{options: &mth{DeadlineMs: i64(0)}},
			with(func(m *policy.Method) { m.Deadline = 0 }),
		},
		{
			"an attempt as long as the call", nil, nil,
			rpc{options: &mth{DeadlineMs: i64(100), AttemptTimeoutMs: i64(100)}},
			with(func(m *policy.Method) { m.Deadline, m.AttemptTimeout = 100*ms, 100*ms }),
		},
		{
			"a deadline below an inherited attempt timeout switches that off",
			nil, &svc{Defaults: &mth{AttemptTimeoutMs: i64(500)}},
			rpc{options: &mth{DeadlineMs: i64(499)}},
			with(func(m *policy.Method) { m.Deadline = 499 * ms }),
		},
		{
			"a deadline that is an inherited attempt timeout does not",
			nil, &svc{Defaults: &mth{AttemptTimeoutMs: i64(500)}},
			rpc{options: &mth{DeadlineMs: i64(500)}},
			with(func(m *policy.Method) { m.Deadline, m.AttemptTimeout = 500*ms, 500*ms }),
		},
		{
			"no deadline leaves it",
			nil, &svc{Defaults: &mth{AttemptTimeoutMs: i64(500)}},
			rpc{options: &mth{DeadlineMs: i64(0)}},
			with(func(m *policy.Method) { m.Deadline, m.AttemptTimeout = 0, 500*ms }),
		},
		{
			"a year is not too long", nil, nil,
			rpc{options: &mth{DeadlineMs: i64(31_536_000_000)}},
			with(func(m *policy.Method) { m.Deadline = 365 * 24 * time.Hour }),
		},
		{
			"a deadline of the service below the attempt timeout of the house",
			&svc{Defaults: &mth{AttemptTimeoutMs: i64(500)}}, &svc{Defaults: &mth{DeadlineMs: i64(400)}},
			rpc{},
			with(func(m *policy.Method) { m.Deadline = 400 * ms }),
		},
		{
			"a base above the inherited max raises it", nil, nil,
			rpc{options: &mth{Retry: &retry{Backoff: &backoff{BaseMs: i64(3000)}}}},
			with(func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{Base: 3 * time.Second, Max: 3 * time.Second} }),
		},
		{
			"a max below the inherited base lowers it", nil, nil,
			rpc{options: &mth{Retry: &retry{Backoff: &backoff{MaxMs: i64(5)}}}},
			with(func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{Base: 5 * ms, Max: 5 * ms} }),
		},
		{
			"a max of nothing is no backoff", nil, nil,
			rpc{options: &mth{Retry: &retry{Backoff: &backoff{MaxMs: i64(0)}}}},
			with(func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{} }),
		},
		{
			"no backoff", nil, nil,
			rpc{options: &mth{Retry: &retry{Backoff: &backoff{BaseMs: i64(0), MaxMs: i64(0)}}}},
			with(func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{} }),
		},
		{
			"codes are replaced and not added to",
			nil, &svc{Defaults: &mth{Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}},
			rpc{options: &mth{Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_INTERNAL}}}},
			with(func(m *policy.Method) { m.Retry.Codes = policy.Codes(codes.Internal) }),
		},
		{
			"a stream may have a deadline of its own",
			nil, &svc{Defaults: &mth{DeadlineMs: i64(100), AttemptTimeoutMs: i64(50)}},
			rpc{replies: true, options: &mth{DeadlineMs: i64(60_000), Retry: &retry{MaxAttempts: i32(2)}}},
			streaming(func(m *policy.Method) { m.Deadline, m.Retry.MaxAttempts = time.Minute, 2 }),
		},
		{
			"a stream of requests inherits neither times nor codes, but how it is opened again",
			&svc{Defaults: &mth{DeadlineMs: i64(100), AttemptTimeoutMs: i64(50)}},
			&svc{Defaults: &mth{Retry: &retry{MaxAttempts: i32(7), Codes: []surefootv1.Code{surefootv1.Code_ABORTED}, Backoff: &backoff{BaseMs: i64(1)}}}},
			rpc{requests: true},
			streaming(func(m *policy.Method) { m.Retry.MaxAttempts, m.Retry.Backoff.Base, m.ClientStreaming = 7, ms, true }),
		},
		{
			"a server stream may list codes",
			nil, nil,
			rpc{replies: true, options: &mth{Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}},
			streaming(func(m *policy.Method) { m.Retry.Codes = policy.Codes(codes.Aborted) }),
		},
	} {
		c.method.name, c.method.level = "Get", idempotent
		table := compile(t, contract.Sources{House: c.house, Services: build(t, spec{name: "Shop", options: c.service, methods: []rpc{c.method}})})
		if m := lookup(t, table, "/shop.v1.Shop/Get"); m.Unary != c.want || m.Stream != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, m.Unary, c.want)
		}
	}
}

// What a service lists concerns those of its methods that may be repeated.
func TestCodesOfAServiceReachItsIdempotentMethodsOnly(t *testing.T) {
	aborted := &svc{Defaults: &mth{Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}}
	shop := spec{name: "Shop", methods: []rpc{{name: "Get", level: readOnly}, {name: "Put"}, {name: "Watch", level: readOnly, replies: true}, {name: "Upload", level: idempotent, requests: true}}}
	for name, s := range map[string]contract.Sources{
		"service": {Services: build(t, spec{name: "Shop", options: aborted, methods: shop.methods})},
		"house":   {Services: build(t, shop), House: aborted},
	} {
		table := compile(t, s)
		for method, want := range map[string]policy.CodeSet{"Get": policy.Codes(codes.Aborted), "Put": 0, "Watch": policy.Codes(codes.Aborted), "Upload": 0} {
			if got := lookup(t, table, "/shop.v1.Shop/"+method).Unary.Retry.Codes; got != want {
				t.Errorf("of the %s, in %s: %v, want %v", name, method, got, want)
			}
		}
	}
}

// A descriptor may come from a generated package, from a file that was loaded
// at run time or from a server's reflection.
func TestOptionsAreReadHoweverTheDescriptorHoldsThem(t *testing.T) {
	f := spec{
		name:    "Shop",
		options: &svc{Connection: &conn{ConnectTimeoutMs: i64(77)}, Defaults: &mth{DeadlineMs: i64(900)}},
		methods: []rpc{{name: "Get", level: readOnly, options: &mth{AttemptTimeoutMs: i64(33)}}},
	}.file()
	for name, fd := range map[string]protoreflect.ServiceDescriptor{
		"generated types":  link(t, f),
		"unknown fields":   link(t, reread(t, f, new(protoregistry.Types))),
		"dynamic messages": link(t, reread(t, f, dynamicTypes(t))),
	} {
		table := compile(t, contract.Sources{Services: []protoreflect.ServiceDescriptor{fd}})
		got := lookup(t, table, "/shop.v1.Shop/Get").Unary
		if got.Deadline != 900*ms || got.AttemptTimeout != 33*ms || got.Safety != policy.ReadOnly || table.Channel.Connection.ConnectTimeout != 77*ms {
			t.Errorf("%s: %+v, %+v", name, got, table.Channel)
		}
	}
}

func TestAContractInGoMayBeForAServiceThatNobodyDescribes(t *testing.T) {
	table := compile(t, contract.Sources{Contracts: []*given{{
		ServiceName: "etcdserverpb.KV",
		Service:     &svc{RetryBudget: &budget{RatioPercent: i32(5)}, Defaults: &mth{AttemptTimeoutMs: i64(300)}},
		Methods: map[string]*givenM{
			"Range": {
				IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum(),
				Method:           &mth{DeadlineMs: i64(1000), Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_UNAVAILABLE}}},
			},
			"Put": nil,
		},
	}}})
	house, houseStream, _ := policy.House()
	unary, stream := house, houseStream
	unary.Safety, stream.Safety = policy.ReadOnly, policy.ReadOnly
	unary.Deadline, stream.Deadline = time.Second, time.Second
	unary.AttemptTimeout, unary.Retry.Codes = 300*ms, policy.Codes(codes.Unavailable)
	stream.Retry.Codes = unary.Retry.Codes
	if m := lookup(t, table, "/etcdserverpb.KV/Range"); m.Unary != unary || m.Stream != stream {
		t.Errorf("%+v, want %+v and %+v", *m, unary, stream)
	}
	put := house
	put.AttemptTimeout = 300 * ms
	if m := lookup(t, table, "/etcdserverpb.KV/Put"); m.Unary != put || m.Stream != houseStream {
		t.Errorf("%+v, want %+v and %+v", *m, put, houseStream)
	}
	if table.Channel.Budget.RatioPercent != 5 {
		t.Errorf("%+v", table.Channel)
	}
}

func TestAContractInGoForARegisteredServiceNeedsNoDescriptor(t *testing.T) {
	table := compile(t, contract.Sources{Contracts: []*given{{
		ServiceName: "inventory.v1.Inventory",
		Methods:     map[string]*givenM{"Get": {Method: &mth{DeadlineMs: i64(1500)}}},
	}}})
	got := lookup(t, table, "/inventory.v1.Inventory/Get").Unary
	if got.Deadline != 1500*ms || got.AttemptTimeout != 250*ms || got.Safety != policy.ReadOnly {
		t.Errorf("%+v", got)
	}
}

func TestAContractInGoReplacesFieldByField(t *testing.T) {
	table := compile(t, contract.Sources{
		Services: build(t, spec{name: "Shop", options: &svc{
			Defaults:    &mth{DeadlineMs: i64(1000), AttemptTimeoutMs: i64(100)},
			RetryBudget: &budget{RatioPercent: i32(1), WindowMs: i64(1000)},
			Connection:  &conn{ConnectTimeoutMs: i64(51), MaxAgeMs: i64(60_000)},
		}, methods: []rpc{{name: "Get", level: readOnly}}}),
		Contracts: []*given{{ServiceName: "shop.v1.Shop", Service: &svc{
			Defaults:    &mth{DeadlineMs: i64(2000)},
			RetryBudget: &budget{RatioPercent: i32(2)},
			Connection:  &conn{ConnectTimeoutMs: i64(52)},
		}}},
	})
	_, _, want := policy.House()
	want.Budget.RatioPercent, want.Budget.Window = 2, time.Second
	want.Connection.ConnectTimeout, want.Connection.MaxAge = 52*ms, time.Minute
	if table.Channel != want {
		t.Errorf("%+v, want %+v", table.Channel, want)
	}
	if got := lookup(t, table, "/shop.v1.Shop/Get").Unary; got.Deadline != 2*time.Second || got.AttemptTimeout != 100*ms {
		t.Errorf("%+v", got)
	}
}

func TestServicesThatAgreeShareAChannel(t *testing.T) {
	said := &svc{
		Balance:     &surefootv1.Balance{Policy: &surefootv1.Balance_RoundRobin{RoundRobin: &surefootv1.RoundRobin{}}},
		RetryBudget: &budget{RatioPercent: i32(7), MinPerSecond: i32(2), WindowMs: i64(5000)},
	}
	other := &svc{
		RetryBudget: &budget{RatioPercent: i32(7)},
		Connection:  &conn{ConnectTimeoutMs: i64(100)},
		Defaults:    &mth{DeadlineMs: i64(1)}, // concerns its methods alone
	}
	table := compile(t, contract.Sources{Services: build(t,
		spec{name: "Shop", options: said}, spec{name: "Silent"}, spec{name: "Till", options: other})})
	_, _, want := policy.House()
	want.Budget = policy.Budget{RatioPercent: 7, MinPerSecond: 2, Window: 5 * time.Second}
	want.Connection.ConnectTimeout = 100 * ms
	if table.Channel != want {
		t.Errorf("%+v, want %+v", table.Channel, want)
	}
}

func TestAServiceThatIsNamedTwiceIsOne(t *testing.T) {
	shop := build(t, spec{name: "Shop", options: &svc{Connection: &conn{MaxAgeMs: i64(60_000)}}, methods: []rpc{{name: "Get"}}})[0]
	table := compile(t, contract.Sources{Services: []protoreflect.ServiceDescriptor{shop, shop}})
	if table.Channel.Connection.MaxAge != time.Minute {
		t.Errorf("%+v", table.Channel)
	}
}

func TestWhatIsGivenIsNotChanged(t *testing.T) {
	house := &svc{Connection: &conn{ConnectTimeoutMs: i64(51)}}
	one := &given{ServiceName: "a.A", Service: &svc{Connection: &conn{MaxAgeMs: i64(60_000)}, RetryBudget: &budget{RatioPercent: i32(1)}}}
	two := &given{ServiceName: "a.B", Service: &svc{Connection: &conn{KeepaliveTimeoutMs: i64(500)}, RetryBudget: &budget{MinPerSecond: i32(2)}}}
	over := &given{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {Method: &mth{Retry: &retry{MaxAttempts: i32(2)}}}}}
	shop := build(t, spec{name: "Shop", options: &svc{Connection: &conn{TcpUserTimeoutMs: i64(300)}}, methods: []rpc{
		{name: "Get", options: &mth{Retry: &retry{Backoff: &backoff{BaseMs: i64(3)}}}},
	}})
	all := []proto.Message{house, one, two, over, shop[0].Options(), shop[0].Methods().Get(0).Options()}
	before := make([]proto.Message, 0, len(all))
	for _, m := range all {
		before = append(before, proto.Clone(m))
	}
	compile(t, contract.Sources{House: house, Services: shop, Contracts: []*given{one, two, over}})
	for i := range all {
		if !proto.Equal(all[i], before[i]) {
			t.Errorf("%v became %v", before[i], all[i])
		}
	}
	if !slices.Equal(shop, []protoreflect.ServiceDescriptor{shop[0]}) {
		t.Error("the list of services was changed")
	}
}
