package contract_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

func overrides(list ...*surefootv1.Override) *contract.Overrides {
	return &contract.Overrides{Name: "o.yaml", List: list}
}

func override(methods string, set *mth) *surefootv1.Override {
	return &surefootv1.Override{Methods: &methods, Set: set}
}

var once = &mth{Retry: &retry{MaxAttempts: i32(1)}}

// What holds for all methods of a service means those that it suits.
func TestDefaultsOfAProfileSpareWhatTheyDoNotSuit(t *testing.T) {
	table := compile(t, contract.Sources{Profile: "calm", Services: build(t, spec{
		name: "Shop",
		options: &svc{Profiles: map[string]*profile{"calm": {Defaults: &mth{
			AttemptTimeoutMs: i64(3000), Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}},
		}}}},
		methods: []rpc{
			{name: "Get", level: readOnly, options: &mth{DeadlineMs: i64(2000), AttemptTimeoutMs: i64(500)}},
			{name: "List", level: readOnly},
			{name: "Put"},
			{name: "Watch", level: readOnly, replies: true},
		},
	})})
	for _, want := range []struct {
		method  string
		timeout time.Duration
		codes   bool
	}{{"Get", 0, true}, {"List", 3 * time.Second, true}, {"Put", 3 * time.Second, false}, {"Watch", 0, true}} {
		m := lookup(t, table, "/shop.v1.Shop/"+want.method).Unary
		if m.AttemptTimeout != want.timeout || (m.Retry.Codes != 0) != want.codes {
			t.Errorf("%s: attempt timeout %v, codes %v", want.method, m.AttemptTimeout, m.Retry.Codes)
		}
	}
}

// Hedges for which a method leaves no time are off there, as an attempt timeout is,
// and the rest of what is said of several methods holds.
func TestWhatIsSaidOfSeveralMethodsSparesHedgesThatCouldNeverStart(t *testing.T) {
	late := &mth{Hedge: &hedge{DelayMs: i64(500)}, Retry: &retry{MaxAttempts: i32(2)}}
	shop := spec{name: "Shop", methods: []rpc{
		{name: "Get", level: readOnly, options: &mth{DeadlineMs: i64(200)}},
		{name: "Put", options: &mth{DeadlineMs: i64(200)}},
		{name: "Scan", level: readOnly, options: &mth{AttemptTimeoutMs: i64(400)}},
		{name: "List", level: readOnly},
	}}
	inProfile := shop
	inProfile.options = &svc{Profiles: map[string]*profile{"calm": {Defaults: late}}}
	for level, sources := range map[string]contract.Sources{
		"profile":                   {Profile: "calm", Services: build(t, inProfile)},
		"override of the service":   {Services: build(t, shop), Overrides: overrides(override("shop.v1.Shop/*", late))},
		"override of every service": {Services: build(t, shop), Overrides: overrides(override("*", late))},
	} {
		table := compile(t, sources)
		if err := table.Conflicts(); err != nil {
			t.Errorf("%s: %v", level, err)
		}
		for _, method := range []string{"Get", "Put", "Scan", "List"} {
			m := lookup(t, table, "/shop.v1.Shop/"+method).Unary
			if m.Hedge.On() != (method == "List") || m.Retry.MaxAttempts != 2 {
				t.Errorf("%s: %s has %+v and %d attempts", level, method, m.Hedge, m.Retry.MaxAttempts)
			}
		}
	}
}

// An override of several methods leaves alone, as a whole, those of which it says
// what cannot be, and tells which.
func TestAnOverrideOfSeveralMethodsTellsWhichItLeavesAlone(t *testing.T) {
	set := &mth{AttemptTimeoutPerKibUs: i64(5), Retry: &retry{MaxAttempts: i32(2)}}
	table := compile(t, contract.Sources{
		House: &svc{Defaults: &mth{AttemptTimeoutMs: i64(300)}},
		Services: build(t, spec{name: "Shop", methods: []rpc{
			{name: "Get", level: readOnly},
			{name: "Scan", level: readOnly, options: &mth{AttemptTimeoutMs: i64(0)}},
		}}),
		Overrides: overrides(override("*", set)),
	})
	e, ok := errors.AsType[*contract.Error](table.Conflicts())
	if !ok || len(e.Problems) != 1 || e.Problems[0].Method != "Scan" || e.Problems[0].Field != "set.attempt_timeout_per_kib_us" {
		t.Errorf("told %v", table.Conflicts())
	}
	if n := lookup(t, table, "/shop.v1.Shop/Get").Unary.Retry.MaxAttempts; n != 2 {
		t.Errorf("Get has %d attempts", n)
	}
	if n := lookup(t, table, "/shop.v1.Shop/Scan").Unary.Retry.MaxAttempts; n != 3 {
		t.Errorf("Scan has %d attempts, though it was to be left alone", n)
	}
}

// A .proto and what is given in Go may each say a part of a profile.
func TestPartsOfAProfileAddUp(t *testing.T) {
	table := compile(t, contract.Sources{
		Profile: "calm",
		Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get"}}, options: &svc{Profiles: map[string]*profile{
			"calm": {Defaults: &mth{DeadlineMs: i64(1000)}, Methods: map[string]*mth{"Get": {Retry: &retry{MaxAttempts: i32(5)}}}},
		}}}),
		Contracts: []*given{{ServiceName: "shop.v1.Shop", Service: &svc{Profiles: map[string]*profile{
			"calm": {Defaults: &mth{DeadlineMs: i64(4000)}},
		}}}},
	})
	if m := lookup(t, table, "/shop.v1.Shop/Get").Unary; m.Deadline != 4*time.Second || m.Retry.MaxAttempts != 5 {
		t.Errorf("%+v", m)
	}
}

func TestAServiceWithoutTheProfileIsCalledAsWithoutIt(t *testing.T) {
	services := func() []spec {
		return []spec{
			{name: "Shop", methods: []rpc{{name: "Get"}}, options: &svc{Profiles: map[string]*profile{"calm": {Defaults: &mth{DeadlineMs: i64(1)}}}}},
			{name: "Cart", methods: []rpc{{name: "Get"}}},
		}
	}
	with := compile(t, contract.Sources{Profile: "calm", Services: build(t, services()...)})
	without := compile(t, contract.Sources{Services: build(t, services()...)})
	if got, want := lookup(t, with, "/shop.v1.Cart/Get").Unary, lookup(t, without, "/shop.v1.Cart/Get").Unary; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, plain := lookup(t, with, "/shop.v1.Shop/Get").Unary, lookup(t, without, "/shop.v1.Shop/Get").Unary; got == plain {
		t.Error("the profile changes nothing")
	}
}

// Whatever a method is, and whoever knows it, "retries off" reaches it.
func TestRetriesOffReachesEveryMethod(t *testing.T) {
	for _, methods := range []string{"*", "each"} {
		list := []*surefootv1.Override{override("*", once)}
		if methods == "each" {
			list = []*surefootv1.Override{
				override("shop.v1.Shop/*", once), override("grpc.health.v1.Health/*", once),
				override("vendor.KV/*", once), override("vendor.Lease/Grant", once), override("vendor.Lease/*", once),
			}
		}
		table := compile(t, contract.Sources{
			Services: build(t, spec{name: "Shop", methods: []rpc{
				{name: "Get", level: readOnly, options: &mth{Retry: &retry{MaxAttempts: i32(5), Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}, AttemptTimeoutMs: i64(10), Hedge: &hedge{DelayMs: i64(5)}}},
				{name: "Put"}, {name: "Watch", replies: true},
			}}),
			Contracts: []*given{{ServiceName: "vendor.KV", Methods: map[string]*givenM{"Range": {Method: &mth{Retry: &retry{MaxAttempts: i32(4)}}}}}},
			Overrides: overrides(list...),
		})
		if err := table.Conflicts(); err != nil {
			t.Error(err)
		}
		names := []string{
			"/shop.v1.Shop/Get", "/shop.v1.Shop/Put", "/shop.v1.Shop/Watch", "/vendor.KV/Range", "/vendor.KV/Put",
			"/vendor.Lease/Grant", "/vendor.Lease/Revoke", "/grpc.health.v1.Health/Check",
		}
		if methods == "*" {
			names = append(names, "/no.body/Knows", "nonsense")
		}
		for _, name := range names {
			m := lookup(t, table, name)
			for _, p := range []policy.Method{m.Unary, m.Stream} {
				if p.Retry.MaxAttempts != 1 {
					t.Errorf("%s by %s: %+v", name, methods, p)
				}
			}
		}
	}
}

// A service that is linked into the program and was not named at construction is
// overridden when its contract is learnt: what the override does not say stays.
func TestAnOverrideReachesAServiceThatIsLearntLater(t *testing.T) {
	for _, pattern := range []string{"*", "inventory.v1.Inventory/*", "inventory.v1.Inventory/Get"} {
		table := compile(t, contract.Sources{Overrides: overrides(override(pattern, &mth{DeadlineMs: i64(700)}))})
		m := lookup(t, table, "/"+inventoryv1.Inventory_ServiceDesc.ServiceName+"/Get").Unary
		if m.Deadline != 700*ms || m.AttemptTimeout != 250*ms || m.Safety != policy.ReadOnly {
			t.Errorf("%s: %+v", pattern, m)
		}
	}
}

// Of a method with a contract and without a .proto it is known whether it may be
// repeated.
func TestAnOverrideOfAMethodThatHasAContractMustSuitIt(t *testing.T) {
	codes := &mth{Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}
	kv := []*given{{ServiceName: "vendor.KV", Methods: map[string]*givenM{
		"Range": {IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum()}, "Put": {},
	}}}
	table := compile(t, contract.Sources{Contracts: kv, Overrides: overrides(override("vendor.KV/Range", codes))})
	if m := lookup(t, table, "/vendor.KV/Range").Unary; m.Retry.Codes == 0 {
		t.Errorf("%+v", m)
	}
	_, err := contract.Compile(contract.Sources{Contracts: kv, Overrides: overrides(override("vendor.KV/Put", codes))})
	if err == nil || !strings.Contains(err.Error(), "vendor.KV/Put: set.retry.codes") {
		t.Errorf("told %v", err)
	}
}

// A profile says of a method without a .proto what suits either kind of it.
func TestAProfileOfAMethodThatHasNoProtoSuitsEitherKind(t *testing.T) {
	for field, c := range map[string]struct {
		says *mth
		has  func(*contract.Methods) bool
	}{
		"stream": {&mth{Stream: &stream{SilenceMs: i64(2000)}}, func(m *contract.Methods) bool { return m.Stream.Stream.Silence == 2*time.Second }},
		"hedge":  {&mth{Hedge: &hedge{DelayMs: i64(20)}}, func(m *contract.Methods) bool { return m.Unary.Hedge.Delay == 20*ms }},
	} {
		table := compile(t, contract.Sources{Profile: "calm", Contracts: []*given{{
			ServiceName: "vendor.KV",
			Methods:     map[string]*givenM{"Range": {IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum()}},
			Service:     &svc{Profiles: map[string]*profile{"calm": {Methods: map[string]*mth{"Range": c.says}}}},
		}}})
		if m := lookup(t, table, "/vendor.KV/Range"); !c.has(m) {
			t.Errorf("%s: %+v", field, m)
		}
	}
}

func TestADeadlineThatIsOverriddenSwitchesLongerAttemptsOff(t *testing.T) {
	shop := build(t, spec{name: "Shop", methods: []rpc{
		{name: "Get", level: readOnly, options: &mth{DeadlineMs: i64(100)}},
		{name: "List", level: readOnly, options: &mth{DeadlineMs: i64(5000), AttemptTimeoutMs: i64(1000)}},
	}})
	table := compile(t, contract.Sources{Services: shop, Overrides: overrides(
		override("*", &mth{Retry: &retry{Backoff: &backoff{BaseMs: i64(5000), MaxMs: i64(6000)}}}),
		override("shop.v1.Shop/List", &mth{DeadlineMs: i64(500)}),
	)})
	if err := table.Conflicts(); err != nil {
		t.Errorf("a deadline below the attempt timeout switches that off: %v", err)
	}
	if m := lookup(t, table, "/shop.v1.Shop/List").Unary; m.Deadline != 500*ms || m.AttemptTimeout != 0 {
		t.Errorf("%+v", m)
	}
}

// The place of an override's mistake is its line.
func TestAnOverrideNamesItsLine(t *testing.T) {
	o := overrides(override("*", &mth{DeadlineMs: i64(-1)}))
	o.Positions = map[contract.OverrideField]contract.Position{{Index: 0}: {File: "o.yaml", Line: 2, Column: 3}, {Index: 0, Path: "set"}: {File: "o.yaml", Line: 3, Column: 5}}
	_, err := contract.Compile(contract.Sources{Services: build(t, spec{name: "Shop"}), Overrides: o})
	e, ok := errors.AsType[*contract.Error](err)
	if !ok || len(e.Problems) != 1 || e.Problems[0].Source != "o.yaml:3:5" || !strings.HasPrefix(e.Problems[0].Text, "is -1") {
		t.Errorf("%v", err)
	}
}
