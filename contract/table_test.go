package contract_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// registered are services that are linked into this program, as generated code
// would be, and that no test names.
var registered = sync.OnceValue(func() error {
	for _, s := range []spec{
		{name: "RegisteredGood", options: &svc{Defaults: &mth{DeadlineMs: i64(700)}, Connection: &conn{MaxAgeMs: i64(60_000)}}, methods: []rpc{
			{name: "Get", level: readOnly}, {name: "Watch", level: readOnly, replies: true},
		}},
		{name: "RegisteredBad", options: &svc{Defaults: &mth{DeadlineMs: i64(700)}}, methods: []rpc{
			{name: "Get", level: readOnly}, {name: "Put", options: &mth{DeadlineMs: i64(-1)}},
		}},
		{name: "RegisteredOther", options: &svc{
			Balance:     &surefootv1.Balance{Policy: &surefootv1.Balance_RoundRobin{RoundRobin: &surefootv1.RoundRobin{}}},
			RetryBudget: &budget{RatioPercent: i32(20), MinPerSecond: i32(7)},
			Connection:  &conn{ConnectTimeoutMs: i64(70), KeepaliveTimeMs: i64(300_000), MaxAgeMs: i64(60_000)},
			Defaults:    &mth{DeadlineMs: i64(700)},
		}, methods: []rpc{{name: "Get", level: readOnly}}},
	} {
		fd, err := protodesc.NewFile(s.file(), nil)
		if err == nil {
			err = protoregistry.GlobalFiles.RegisterFile(fd)
		}
		if err != nil {
			return err
		}
	}
	return nil
})

func register(t *testing.T) {
	t.Helper()
	if err := registered(); err != nil {
		t.Fatal(err)
	}
}

func TestAMethodThatNobodyKnowsHasTheHouseDefaults(t *testing.T) {
	register(t)
	table := compile(t, contract.Sources{
		House: &svc{Defaults: &mth{DeadlineMs: i64(1234), Retry: &retry{MaxAttempts: i32(4), Codes: aborted}}},
		Services: build(t, spec{name: "Shop", options: &svc{Defaults: &mth{DeadlineMs: i64(1)}}, methods: []rpc{
			{name: "Get", level: readOnly},
		}}),
	})
	unary, stream, _ := policy.House()
	unary.Deadline, unary.Retry.MaxAttempts, stream.Retry.MaxAttempts = 1234*ms, 4, 4
	for _, method := range []string{
		"/shop.v1.Shop/Got", "/shop.v1.Till/Get", "/shop.v1.RegisteredGood/Got", "/shop.v1.Shop", "/shop.v1.ShopMessage/Get",
		"shop.v1.Shop/Got", "/", "", "//", "/shop.v1.Shop/", "/shop.v1.Shop/Get/", "///",
	} {
		if m := lookup(t, table, method); m.Unary != unary || m.Stream != stream {
			t.Errorf("%q: %+v, want %+v and %+v", method, *m, unary, stream)
		}
	}
}

func TestAServiceThatWasNotNamedHasItsRegisteredContract(t *testing.T) {
	register(t)
	table := compile(t, contract.Sources{House: &svc{Defaults: &mth{Retry: &retry{Codes: aborted}}}})
	before := table.Channel
	get := lookup(t, table, "/shop.v1.RegisteredGood/Get")
	if get.Unary.Deadline != 700*ms || get.Unary.Safety != policy.ReadOnly || get.Unary.Retry.Codes == 0 {
		t.Errorf("%+v", *get)
	}
	watch := lookup(t, table, "/shop.v1.RegisteredGood/Watch")
	if watch.Stream.Deadline != 0 || !watch.Stream.Streaming {
		t.Errorf("%+v", *watch)
	}
	if lookup(t, table, "/shop.v1.RegisteredGood/Get") != get {
		t.Error("it is compiled again for each call")
	}
	if table.Channel != before {
		t.Error("the channel was changed by a service that it was not made for")
	}
}

// What a service that was not named says of a channel that exists is told once,
// as far as it differs, and its methods have their contract all the same.
func TestOptionsOfAChannelThatExistsAreToldAsIgnored(t *testing.T) {
	register(t)
	const method = "/shop.v1.RegisteredOther/Get"
	table := compile(t, contract.Sources{})
	before := table.Channel
	m, err := table.Lookup(method)
	const remedy = " and ignored, because the channel exists already with another value: name the service at construction with WithService"
	want := "contract: 2 problems:" +
		"\n  shop/RegisteredOther.proto: shop.v1.RegisteredOther: retry_budget.min_per_second is 7" + remedy +
		"\n  shop/RegisteredOther.proto: shop.v1.RegisteredOther: connection.connect_timeout_ms is 70" + remedy
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if m.Unary.Deadline != 700*ms || m.Unary.Safety != policy.ReadOnly {
		t.Errorf("%+v", *m)
	}
	if table.Channel != before {
		t.Error("the channel was changed by a service that it was not made for")
	}
	lookup(t, table, method) // says nothing again

	same := compile(t, contract.Sources{House: &svc{RetryBudget: &budget{MinPerSecond: i32(7)}, Connection: &conn{ConnectTimeoutMs: i64(70)}}})
	lookup(t, same, method) // says nothing: the channel has these values
}

func TestAMethodThatNobodyKnowsLeavesTheOthersAlone(t *testing.T) {
	table := compile(t, contract.Sources{Services: []protoreflect.ServiceDescriptor{inventory()}})
	get := lookup(t, table, "/inventory.v1.Inventory/Get")
	lookup(t, table, "/inventory.v1.Inventory/Got")
	if lookup(t, table, "/inventory.v1.Inventory/Get") != get {
		t.Error("the service was compiled again")
	}
}

func TestABadContractThatWasNotNamedIsToldOnceAndReplacedByTheHouseDefaults(t *testing.T) {
	register(t)
	for name, methods := range map[string][]string{
		"a good method first":     {"Get", "Put", "Get", "Got"},
		"the bad method first":    {"Put", "Get", "Put", "Got"},
		"a missing method first":  {"Got", "Got", "Get", "Put"},
		"only the missing method": {"Got", "Got", "Got"},
	} {
		table := compile(t, contract.Sources{House: &svc{Defaults: &mth{Retry: &retry{Codes: aborted}}}})
		house, stream, _ := policy.House()
		for i, method := range methods {
			m, err := table.Lookup("/shop.v1.RegisteredBad/" + method)
			var e *contract.Error
			if told := errors.As(err, &e); told != (i == 0) {
				t.Errorf("%s: call %d, of %s, gets %v", name, i, method, err)
			}
			// Whether it may be repeated is not part of what is bad.
			unary, stream := house, stream
			if method == "Get" {
				unary.Safety, stream.Safety = policy.ReadOnly, policy.ReadOnly
				unary.Retry.Codes = policy.CodeSet(1) << uint(surefootv1.Code_ABORTED)
				stream.Retry.Codes = unary.Retry.Codes
			}
			if m.Unary != unary || m.Stream != stream {
				t.Errorf("%s: %s: %+v, want %+v and %+v", name, method, *m, unary, stream)
			}
		}
	}
}

func TestManyCallsMayLearnAServiceAtOnce(t *testing.T) {
	register(t)
	table := compile(t, contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get"}}})})
	var told atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				for method, deadline := range map[string]time.Duration{
					"/shop.v1.Shop/Get":           10 * time.Second,
					"/shop.v1.RegisteredGood/Get": 700 * ms,
					"/shop.v1.RegisteredGood/Got": 10 * time.Second,
					"/shop.v1.RegisteredBad/Get":  10 * time.Second,
					"/shop.v1.Nobody/Get":         10 * time.Second,
				} {
					m, err := table.Lookup(method)
					if err != nil {
						told.Add(1)
					}
					if m.Unary.Deadline != deadline {
						t.Errorf("%s: %+v", method, *m)
					}
				}
			}
		})
	}
	wg.Wait()
	if told.Load() != 1 {
		t.Errorf("the bad contract was told %d times", told.Load())
	}
}

func TestAKnownMethodIsFoundWithoutAnAllocation(t *testing.T) {
	table := compile(t, contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get"}}})})
	if n := testing.AllocsPerRun(100, func() {
		if _, err := table.Lookup("/shop.v1.Shop/Get"); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// checkPolicies fails t unless everything that a table holds for these
// methods, and for the channel, is what Validate lets pass.
func checkPolicies(t *testing.T, table *contract.Table, methods []string) {
	t.Helper()
	if err := table.Channel.Validate(); err != nil {
		t.Fatalf("channel: %v\n%+v", err, table.Channel)
	}
	for _, method := range methods {
		m := lookup(t, table, method)
		for _, p := range []policy.Method{m.Unary, m.Stream} {
			if err := p.Validate(); err != nil {
				t.Fatalf("%s: %v\n%+v", method, err, p)
			}
			if p.Streaming && (p.AttemptTimeout != 0 || p.Retry.Codes != 0) {
				t.Fatalf("%s: %+v is not implemented for a stream", method, p)
			}
		}
	}
}

// FuzzAContractIsRefusedOrValid gives the compiler whatever bytes as house
// defaults, as options in .proto files and as contracts given in Go.
func FuzzAContractIsRefusedOrValid(f *testing.F) {
	encode := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	full := &mth{DeadlineMs: i64(900), AttemptTimeoutMs: i64(300), Retry: &retry{
		MaxAttempts: i32(5), Codes: aborted, Backoff: &backoff{BaseMs: i64(10), MaxMs: i64(80)},
	}}
	service := &svc{
		Defaults: full, RetryBudget: &budget{RatioPercent: i32(5), MinPerSecond: i32(1), WindowMs: i64(2000)},
		Connection: &conn{ConnectTimeoutMs: i64(100), KeepaliveTimeMs: i64(10_000), KeepaliveTimeoutMs: i64(1000), TcpUserTimeoutMs: i64(1000), MaxAgeMs: i64(60_000)},
		Balance:    &surefootv1.Balance{Policy: &surefootv1.Balance_RoundRobin{RoundRobin: &surefootv1.RoundRobin{}}},
	}
	inGo := &given{Service: service, Methods: map[string]*givenM{
		"Get": {Method: full, IdempotencyLevel: surefootv1.IdempotencyLevel_IDEMPOTENT.Enum()}, "Watch": {},
	}}
	f.Add(encode(service), encode(service), encode(full), encode(inGo), true)
	f.Add([]byte(nil), []byte(nil), []byte(nil), []byte(nil), false)
	f.Add(encode(&svc{Connection: &conn{KeepaliveTimeMs: i64(0)}}), encode(&svc{Connection: &conn{KeepaliveTimeoutMs: i64(0)}}), encode(full), encode(inGo), false)
	f.Add([]byte{0xff}, []byte{0xff}, []byte{0xff}, []byte{0xff}, true)
	f.Fuzz(func(t *testing.T, house, service, method, inGo []byte, described bool) {
		s := contract.Sources{House: &svc{}}
		one := &given{}
		if proto.Unmarshal(house, s.House) != nil || proto.Unmarshal(inGo, one) != nil {
			return
		}
		one.ServiceName = map[bool]string{true: "shop.v1.Shop", false: "shop.v1.Undescribed"}[described]
		s.Contracts = []*given{one}
		s.Services = build(t,
			spec{name: "Shop", raw: service, methods: []rpc{
				{name: "Get", level: readOnly, raw: method}, {name: "Put", raw: method}, {name: "Watch", raw: method, replies: true},
			}},
			spec{name: "Till", raw: service, methods: []rpc{{name: "Get"}}})
		table, err := contract.Compile(s)
		if _, again := contract.Compile(s); (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("first %v, then %v", err, again)
		}
		if err == nil {
			methods := []string{"/shop.v1.Shop/Get", "/shop.v1.Shop/Put", "/shop.v1.Shop/Watch", "/shop.v1.Till/Get", "/nobody.Knows/This"}
			for name := range one.GetMethods() {
				methods = append(methods, "/"+one.ServiceName+"/"+name)
			}
			checkPolicies(t, table, methods)
			return
		}
		var e *contract.Error
		if table != nil || !errors.As(err, &e) || len(e.Problems) == 0 {
			t.Fatalf("%v", err)
		}
		for _, p := range e.Problems {
			if p.Source == "" || p.Field == "" || p.Text == "" {
				t.Fatalf("%+v does not say where it is", p)
			}
		}
		if slices.ContainsFunc(e.Problems, func(p contract.Problem) bool { return protoreflect.FullName(p.Service).IsValid() != (p.Service != "") }) {
			t.Fatalf("a service without a name: %v", err)
		}
	})
}
