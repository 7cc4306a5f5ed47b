package contract_test

import (
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// unsuited are options that a method named in the second column cannot have, or
// that could never take effect there, with the field that is told.
var unsuited = []struct {
	name, method string
	options      *mth
	field, text  string
}{
	{"limits of streams", "Get", &mth{Stream: &stream{SilenceMs: i64(2000)}}, "stream", "the method is unary"},
	{"hedges of what is not idempotent", "Put", &mth{Hedge: &hedge{DelayMs: i64(5)}}, "hedge", "not idempotent"},
	{"an attempt timeout of what is not idempotent", "Put", &mth{AttemptTimeoutMs: i64(50)}, "attempt_timeout_ms", "not idempotent"},
	{"codes beside one attempt", "Get", &mth{Retry: &retry{MaxAttempts: i32(1), Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}, "retry.codes", "max_attempts is 1"},
	{"a breaker that is off and counts", "Get", &mth{Breaker: &breaker{Off: new(true), WindowMs: i64(5000)}}, "breaker.window_ms", "breaker.off is true"},
	{"an age beyond the deadline", "Watch", &mth{DeadlineMs: i64(5000), Stream: &stream{MaxAgeMs: i64(6000)}}, "stream.max_age_ms", "the deadline is 5000"},
}

func unsuitedShop() spec {
	return spec{name: "Shop", methods: []rpc{{name: "Get", level: readOnly}, {name: "Put"}, {name: "Watch", level: readOnly, replies: true}}}
}

// What is said of one method and could never take effect there is a mistake, also
// in a profile and in an override.
func TestWhatCannotTakeEffectIsToldOnEveryLevel(t *testing.T) {
	for _, c := range unsuited {
		inProfile := unsuitedShop()
		inProfile.options = &svc{Profiles: map[string]*profile{"calm": {Methods: map[string]*mth{c.method: c.options}}}}
		for level, sources := range map[string]contract.Sources{
			"profiles.calm.methods." + c.method + ".": {Services: build(t, inProfile)},
			"set.": {Services: build(t, unsuitedShop()), Overrides: overrides(override("shop.v1.Shop/"+c.method, c.options))},
		} {
			_, err := contract.Compile(sources)
			if want := ": " + level + c.field + " "; err == nil || strings.Contains(err.Error(), "problems") ||
				!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: told %v, want %q and %q", c.name, err, want, c.text)
			}
		}
	}
}

// One file of overrides serves many clients: of a method that a client does not
// know nobody can say what suits it, but what suits none is a mistake.
func TestAnOverrideOfAMethodThatNobodyKnowsMaySuitIt(t *testing.T) {
	for _, c := range unsuited[:3] {
		table := compile(t, contract.Sources{Overrides: overrides(override("far.v1.Far/Call", c.options))})
		if err := table.Conflicts(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	codes := &mth{DeadlineMs: i64(700), Retry: &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}}
	table := compile(t, contract.Sources{Overrides: overrides(override("far.v1.Far/Call", codes), override("far.v1.Far/Call", &mth{WaitForReadyMs: i64(900)}))})
	if m := lookup(t, table, "/far.v1.Far/Call"); m.Unary.Retry.Codes != 0 || m.Unary.WaitForReady != 900*ms || m.Unary.Deadline != 700*ms || m.Stream.Deadline != 700*ms {
		t.Errorf("codes of a method that may be unsafe: %+v", m.Unary)
	}
	for _, wrong := range []*mth{
		{WaitForReadyMs: i64(-1)}, {Retry: &retry{MaxAttempts: i32(0)}}, {IdempotencyKey: &surefootv1.IdempotencyKey{Place: &surefootv1.IdempotencyKey_Header{Header: "k"}}},
		{Breaker: &breaker{Off: new(true), OpenMs: i64(int64(time.Second))}},
	} {
		_, err := contract.Compile(contract.Sources{Overrides: overrides(override("far.v1.Far/Call", wrong))})
		if err == nil || strings.Contains(err.Error(), "problems") || !strings.Contains(err.Error(), "far.v1.Far/Call: set.") {
			t.Errorf("%v: told %v", wrong, err)
		}
	}
}

// An override of a service says so if it is for streams and the service has none.
func TestAnOverrideOfStreamsTellsWhenThereAreNone(t *testing.T) {
	patient := &mth{Stream: &stream{SilenceMs: i64(60_000)}, DeadlineMs: i64(700)}
	mixed := compile(t, contract.Sources{Services: build(t, unsuitedShop()), Overrides: overrides(override("*", patient), override("shop.v1.Shop/*", patient))})
	if err := mixed.Conflicts(); err != nil {
		t.Error(err)
	}
	if m := lookup(t, mixed, "/shop.v1.Shop/Watch").Stream; m.Stream.Silence != time.Minute {
		t.Errorf("%+v", m)
	}
	unary := compile(t, contract.Sources{Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Get"}}}), Overrides: overrides(override("*", patient), override("shop.v1.Shop/*", patient))})
	err := unary.Conflicts()
	if err == nil || strings.Contains(err.Error(), "problems") || !strings.Contains(err.Error(), "shop.v1.Shop: set.stream is set, but no method of the service streams") {
		t.Errorf("told %v", err)
	}
	if m := lookup(t, unary, "/shop.v1.Shop/Get").Unary; m.Deadline != 700*ms {
		t.Errorf("what suits it was left out too: %+v", m)
	}
}
