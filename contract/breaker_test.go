package contract_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

type breaker = surefootv1.Breaker

// breakerFields is how each number of a breaker is found in the policy. Values
// that are valid beside the house default are base and some above it.
var breakerFields = []struct {
	field string
	base  int
	get   func(policy.Breaker) int
}{
	{"window_ms", 20_000, func(b policy.Breaker) int { return int(b.Window / time.Millisecond) }},
	{"min_calls", 30, func(b policy.Breaker) int { return b.MinCalls }},
	{"failure_percent", 70, func(b policy.Breaker) int { return b.FailurePercent }},
	{"consecutive_failures", 7, func(b policy.Breaker) int { return b.ConsecutiveFailures }},
	{"open_ms", 2000, func(b policy.Breaker) int { return int(b.Open / time.Millisecond) }},
	{"max_open_ms", 60_000, func(b policy.Breaker) int { return int(b.MaxOpen / time.Millisecond) }},
	{"trials", 5, func(b policy.Breaker) int { return b.Trials }},
	{"successes", 6, func(b policy.Breaker) int { return b.Successes }},
	{"throttle.accept_percent", 150, func(b policy.Breaker) int { return b.Throttle.AcceptPercent }},
	{"throttle.max_percent", 60, func(b policy.Breaker) int { return b.Throttle.MaxPercent }},
	{"max_in_flight", 100, func(b policy.Breaker) int { return b.MaxInFlight }},
}

// setBreaker sets the field of b at path.
func setBreaker(b *breaker, path string, v int) {
	r := b.ProtoReflect()
	if path, ok := strings.CutPrefix(path, "throttle."); ok {
		r = r.Mutable(r.Descriptor().Fields().ByName("throttle")).Message()
		setNumber(r, path, v)
		return
	}
	setNumber(r, path, v)
}

func setNumber(r protoreflect.Message, field string, v int) {
	fd := r.Descriptor().Fields().ByName(protoreflect.Name(field))
	if fd.Kind() == protoreflect.Int32Kind {
		r.Set(fd, protoreflect.ValueOfInt32(int32(v)))
	} else {
		r.Set(fd, protoreflect.ValueOfInt64(int64(v)))
	}
}

func TestTheStrongestPlaceWinsForEachFieldOfABreaker(t *testing.T) {
	for _, f := range breakerFields {
		everyChoice(func(chosen [places]bool, strongest int) {
			got := compiled(t, chosen, func(place int, _ *svc, m *mth) {
				m.Breaker = &breaker{}
				setBreaker(m.Breaker, f.field, f.base+place)
			}).Breaker
			want := f.get(policy.HouseBreaker())
			if strongest >= 0 {
				want = f.base + strongest
			}
			if f.get(got) != want {
				t.Errorf("%s in %v: %d, want %d", f.field, chosen, f.get(got), want)
			}
		})
	}
	for name, f := range map[string]struct {
		set func(*breaker, bool)
		get func(policy.Breaker) bool
	}{
		"off":       {func(b *breaker, v bool) { b.Off = &v }, func(b policy.Breaker) bool { return b.Off }},
		"dry_run":   {func(b *breaker, v bool) { b.DryRun = &v }, func(b policy.Breaker) bool { return b.DryRun }},
		"per_group": {func(b *breaker, v bool) { b.PerGroup = &v }, func(b policy.Breaker) bool { return b.PerGroup }},
	} {
		everyChoice(func(chosen [places]bool, strongest int) {
			says := func(place int) bool { return place%2 == 0 }
			got := compiled(t, chosen, func(place int, _ *svc, m *mth) {
				m.Breaker = &breaker{}
				f.set(m.Breaker, says(place))
			}).Breaker
			if want := strongest >= 0 && says(strongest); f.get(got) != want {
				t.Errorf("%s in %v: %v, want %v", name, chosen, f.get(got), want)
			}
		})
	}
	n := len(breakerFields) + 3
	for _, d := range []protoreflect.MessageDescriptor{(&breaker{}).ProtoReflect().Descriptor(), (&surefootv1.Throttle{}).ProtoReflect().Descriptor()} {
		for i := range d.Fields().Len() {
			if fd := d.Fields().Get(i); fd.Message() == nil && !contract.Pending[fd.FullName()] {
				n--
			}
		}
	}
	if n != 0 {
		t.Errorf("%d fields too many or too few are tried: add the new one to breakerFields", n)
	}
}

// A breaker that a service declares holds for its streams too.
func TestABreakerIsInheritedByMethodsOfEachKind(t *testing.T) {
	table := compile(t, contract.Sources{Services: build(t, spec{
		name:    "Shop",
		options: &svc{Defaults: &mth{Breaker: &breaker{OpenMs: i64(1000)}}},
		methods: []rpc{{name: "Get"}, {name: "Watch", replies: true, options: &mth{Breaker: &breaker{Trials: i32(1)}}}},
	})})
	want := policy.HouseBreaker()
	want.Open = time.Second
	if got := lookup(t, table, "/shop.v1.Shop/Get").Unary.Breaker; got != want {
		t.Errorf("unary: %+v", got)
	}
	want.Trials = 1
	if got := lookup(t, table, "/shop.v1.Shop/Watch").Stream.Breaker; got != want {
		t.Errorf("stream: %+v", got)
	}
}

// The first time open that is set moves the longest one that is inherited.
func TestTheLongestOpeningFollowsTheFirst(t *testing.T) {
	growing := &svc{Defaults: &mth{Breaker: &breaker{OpenMs: i64(5000), MaxOpenMs: i64(60_000)}}}
	services := build(t, spec{name: "Shop", options: growing, methods: []rpc{
		{name: "Long", options: &mth{Breaker: &breaker{OpenMs: i64(90_000)}}},
		{name: "Short", options: &mth{Breaker: &breaker{OpenMs: i64(500)}}},
		{name: "Same", options: &mth{Breaker: &breaker{OpenMs: i64(500), MaxOpenMs: i64(0)}}},
	}})
	table := compile(t, contract.Sources{Services: services})
	for method, want := range map[string]time.Duration{"Long": 90 * time.Second, "Short": 60 * time.Second, "Same": 0} {
		if got := lookup(t, table, "/shop.v1.Shop/"+method).Unary.Breaker.MaxOpen; got != want {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
	e := explain(t, contract.Sources{Services: services})
	if got := explained(t, e.Services[0].Methods[0].Values, "breaker.max_open_ms"); got != "90000 method proto (follows breaker.open_ms)" {
		t.Errorf("explained as %s", got)
	}
}

// What means nothing is not explained.
func TestABreakerIsExplainedAsFarAsItActs(t *testing.T) {
	for _, c := range []struct {
		name    string
		options *breaker
		want    map[string]string
	}{
		{"house", nil, map[string]string{
			"breaker.off": "false house default built in", "breaker.max_open_ms": "as open_ms house default built in",
			"breaker.throttle.max_percent": "90 house default built in", "breaker.max_in_flight": "none house default built in",
			"breaker.consecutive_failures": "never house default built in",
		}},
		{"off", &breaker{Off: new(true)}, map[string]string{
			"breaker.off": "true method proto", "breaker.open_ms": "nothing", "breaker.failure_percent": "nothing", "breaker.max_in_flight": "nothing",
		}},
		{"never opens", &breaker{FailurePercent: i32(0)}, map[string]string{
			"breaker.failure_percent": "never method proto", "breaker.open_ms": "nothing", "breaker.trials": "nothing",
			"breaker.window_ms": "10000 house default built in",
		}},
		{"no throttle either", &breaker{FailurePercent: i32(0), Throttle: &surefootv1.Throttle{AcceptPercent: i32(0)}}, map[string]string{
			"breaker.throttle.accept_percent": "off method proto", "breaker.throttle.max_percent": "nothing", "breaker.window_ms": "nothing",
		}},
	} {
		e := explain(t, contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get", options: &mth{Breaker: c.options}}}})})
		for field, want := range c.want {
			if got := explained(t, e.Services[0].Methods[0].Values, field); got != want {
				t.Errorf("%s: %s is explained as %s, want %s", c.name, field, got, want)
			}
		}
	}
}
