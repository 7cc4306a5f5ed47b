package contract_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// explained returns the value and its origin as one text: "1000 service proto".
func explained(t *testing.T, values []contract.Value, field string) string {
	t.Helper()
	for _, v := range values {
		if v.Field == field {
			text := fmt.Sprintf("%s %s %s", v.Text, v.Origin.Level, v.Origin.Medium)
			if v.Origin.Position.Line > 0 {
				text += " " + v.Origin.Position.String()
			}
			if v.Note != "" {
				text += " (" + v.Note + ")"
			}
			return text
		}
	}
	return "nothing"
}

func explain(t *testing.T, s contract.Sources) *contract.Explanation {
	t.Helper()
	e, err := contract.Explain(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Every value is explained with the strongest place that says it, also when a
// weaker one says the same.
func TestTheStrongestPlaceIsWhereAValueComesFrom(t *testing.T) {
	origins := [places]string{
		"house default go", "service proto", "service go", "method proto", "method go",
		"profile go", "profile proto", "profile proto", "override file", "override file",
	}
	for _, same := range []bool{false, true} {
		everyChoice(func(chosen [places]bool, strongest int) {
			value := func(place int) int64 {
				if same {
					return 10_000 // the house default too
				}
				return int64(1000 + place)
			}
			e := explain(t, said(t, chosen, func(place int, _ *svc, m *mth) {
				m.DeadlineMs = i64(value(place))
				m.Retry = &retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}
			}))
			deadline, codes := "10000 house default built in", "none house default built in"
			if strongest >= 0 {
				deadline, codes = fmt.Sprint(value(strongest), " ", origins[strongest]), "ABORTED "+origins[strongest]
			}
			values := e.Services[0].Methods[0].Values
			if got := explained(t, values, "deadline_ms"); got != deadline {
				t.Errorf("%v: %s, want %s", chosen, got, deadline)
			}
			if got := explained(t, values, "retry.codes"); got != codes {
				t.Errorf("%v: %s, want %s", chosen, got, codes)
			}
		})
	}
}

func count(chosen [places]bool) (n int) {
	for _, c := range chosen {
		if c {
			n++
		}
	}
	return n
}

// What a service says and a method does not obey is not where it comes from.
func TestWhatIsNotObeyedIsNoOrigin(t *testing.T) {
	e := explain(t, contract.Sources{Services: build(t, spec{
		name: "Shop",
		options: &svc{Defaults: &mth{DeadlineMs: i64(3000), AttemptTimeoutMs: i64(1000), Retry: &retry{
			Codes: []surefootv1.Code{surefootv1.Code_ABORTED}, Backoff: &backoff{BaseMs: i64(100)},
		}}},
		methods: []rpc{
			{name: "Get", level: readOnly, options: &mth{DeadlineMs: i64(500), Retry: &retry{Backoff: &backoff{MaxMs: i64(50)}}}},
			{name: "Put"},
			{name: "Watch", replies: true},
		},
	})})
	hedged := explain(t, contract.Sources{Services: build(t, spec{
		name: "Shop", options: &svc{Defaults: &mth{Hedge: &hedge{DelayMs: i64(100)}}},
		methods: []rpc{
			{name: "Get", level: readOnly, options: &mth{DeadlineMs: i64(500), AttemptTimeoutMs: i64(50)}},
			{name: "Put", level: readOnly, options: &mth{DeadlineMs: i64(90)}},
		},
	})})
	for i, want := range []string{"off method proto (follows attempt_timeout_ms)", "off method proto (follows deadline_ms)"} {
		if got := explained(t, hedged.Services[0].Methods[i].Values, "hedge.max_hedges"); got != want {
			t.Errorf("hedges of method %d: %s, want %s", i, got, want)
		}
	}
	for _, want := range []struct{ method, field, text string }{
		{"Get", "idempotency_level", "NO_SIDE_EFFECTS method proto"},
		{"Get", "attempt_timeout_ms", "none method proto (follows deadline_ms)"},
		{"Get", "retry.codes", "ABORTED service proto"},
		{"Get", "retry.backoff.base_ms", "50 method proto (follows retry.backoff.max_ms)"},
		{"Get", "retry.backoff.max_ms", "50 method proto"},
		{"Get", "retry.max_attempts", "3 house default built in"},
		{"Put", "idempotency_level", "not set house default built in (repeated only when unprocessed)"},
		{"Put", "attempt_timeout_ms", "1000 service proto (no effect: not idempotent)"},
		{"Put", "retry.codes", "none house default built in"},
		{"Watch", "deadline_ms", "none house default built in"},
		{"Watch", "attempt_timeout_ms", "nothing"},
		{"Watch", "retry.backoff.base_ms", "100 service proto"},
	} {
		i := slices.IndexFunc(e.Services[0].Methods, func(m contract.MethodExplanation) bool { return m.Name == want.method })
		if got := explained(t, e.Services[0].Methods[i].Values, want.field); got != want.text {
			t.Errorf("%s %s: %s, want %s", want.method, want.field, got, want.text)
		}
	}
}

func TestTheChannelIsExplainedByTheFirstWhoSaysIt(t *testing.T) {
	e := explain(t, contract.Sources{
		House: &svc{RetryBudget: &budget{RatioPercent: i32(5), MinPerSecond: i32(7)}},
		Services: build(t,
			spec{name: "Shop", options: &svc{RetryBudget: &budget{RatioPercent: i32(10)}, Balance: &surefootv1.Balance{Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{}}}}},
			spec{name: "Cart", options: &svc{RetryBudget: &budget{RatioPercent: i32(10)}}},
		),
		Files: []*contract.File{{
			Name:      "f.yaml",
			Contracts: []*given{{ServiceName: "shop.v1.Cart", Service: &svc{Connection: &conn{DrainMs: i64(500)}}}},
			Positions: map[contract.Field]contract.Position{
				{Service: "shop.v1.Cart", Path: "connection"}: {File: "f.yaml", Line: 3, Column: 5},
			},
		}},
	})
	for _, want := range [][2]string{
		{"retry_budget.ratio_percent", "10 service proto"},
		{"retry_budget.min_per_second", "7 house default go"},
		{"balance.policy", "least_request service proto"},
		{"balance.least_request.choices", "2 house default built in"},
		{"balance.consistent_hash.header", "nothing"},
		{"connection.drain_ms", "500 service file f.yaml:3:5"},
		{"connection.single_endpoint", "if there is one house default built in"},
		{"connection.max_age_ms", "never house default built in"},
	} {
		if got := explained(t, e.Channel, want[0]); got != want[1] {
			t.Errorf("%s: %s, want %s", want[0], got, want[1])
		}
	}
}

func TestAServiceWithoutAProtoIsExplainedForBothKinds(t *testing.T) {
	e := explain(t, contract.Sources{Contracts: []*given{{
		ServiceName: "shop.v1.Nowhere",
		Methods:     map[string]*givenM{"Get": {IdempotencyLevel: surefootv1.IdempotencyLevel_IDEMPOTENT.Enum()}},
	}}})
	methods := e.Services[0].Methods
	if len(methods) != 2 || methods[0].Kind != contract.KindIfUnary || methods[1].Kind != contract.KindIfStream {
		t.Fatalf("%+v", methods)
	}
	for i, want := range []string{"10000 house default built in", "none house default built in"} {
		if got := explained(t, methods[i].Values, "deadline_ms"); got != want {
			t.Errorf("%s: %s, want %s", methods[i].Kind, got, want)
		}
		if got := explained(t, methods[i].Values, "idempotency_level"); got != "IDEMPOTENT method go" {
			t.Errorf("%s: %s", methods[i].Kind, got)
		}
	}
}

// A descriptor with source info names the lines; values that are wrong have
// theirs as well.
func TestLinesOfAProto(t *testing.T) {
	f := spec{name: "Shop", options: &svc{RetryBudget: &budget{RatioPercent: i32(10)}}, methods: []rpc{
		{name: "Get", level: readOnly, options: &mth{DeadlineMs: i64(500), AttemptTimeoutMs: i64(100)}},
	}}.file()
	number := int32(surefootv1.E_Method.TypeDescriptor().Number())
	at := func(line int32, path ...int32) *descriptorpb.SourceCodeInfo_Location {
		return &descriptorpb.SourceCodeInfo_Location{Path: path, Span: []int32{line, 4, 9}}
	}
	f.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
		at(10, 6, 0), at(11, 6, 0, 3, number), at(12, 6, 0, 2, 0), at(13, 6, 0, 2, 0, 4, 34), at(14, 6, 0, 2, 0, 4, number), at(15, 6, 0, 2, 0, 4, number, 2),
	}}
	e := explain(t, contract.Sources{Services: []protoreflect.ServiceDescriptor{link(t, f)}})
	for field, want := range map[string]string{
		"idempotency_level":  "NO_SIDE_EFFECTS method proto shop/Shop.proto:14:5",
		"deadline_ms":        "500 method proto shop/Shop.proto:15:5",
		"attempt_timeout_ms": "100 method proto shop/Shop.proto:16:5",
	} {
		if got := explained(t, e.Services[0].Methods[0].Values, field); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
	if got := explained(t, e.Channel, "retry_budget.ratio_percent"); got != "10 service proto shop/Shop.proto:12:5" {
		t.Error(got)
	}
	proto.SetExtension(f.Service[0].Method[0].Options, surefootv1.E_Method, &mth{DeadlineMs: i64(50), AttemptTimeoutMs: i64(100)})
	_, err := contract.Explain(contract.Sources{Services: []protoreflect.ServiceDescriptor{link(t, f)}})
	if err == nil || !strings.HasPrefix(err.Error(), "contract: shop/Shop.proto:16:5: shop.v1.Shop/Get: attempt_timeout_ms is 100") {
		t.Error(err)
	}
	if _, err := protodesc.NewFile(f, nil); err != nil {
		t.Fatal(err)
	}
}

// A field that the explanation lacks would be one that nobody sees.
func TestEveryFieldIsExplained(t *testing.T) {
	var want []string
	var leaves func(prefix string, d protoreflect.MessageDescriptor)
	leaves = func(prefix string, d protoreflect.MessageDescriptor) {
		for i := range d.Fields().Len() {
			fd := d.Fields().Get(i)
			switch {
			case prefix == "" && (fd.Name() == "defaults" || fd.Name() == "profiles"), contract.Pending[fd.FullName()]:
			case fd.Message() != nil:
				leaves(prefix+string(fd.Name())+".", fd.Message())
			default:
				want = append(want, prefix+string(fd.Name()))
			}
		}
	}
	leaves("", (&svc{}).ProtoReflect().Descriptor())
	leaves("", (&mth{}).ProtoReflect().Descriptor())
	got := make(map[string]bool)
	for _, b := range []*surefootv1.Balance{
		{Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{}}},
		{Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{}}},
	} {
		e := explain(t, contract.Sources{Services: build(t, spec{name: "Shop", options: &svc{Balance: b}, methods: []rpc{
			{name: "Get", level: idempotent, options: &mth{
				DeadlineObserved: &observe{QuantilePermille: i32(990)}, AttemptTimeoutObserved: &observe{QuantilePermille: i32(990), CeilingMs: i64(100)},
				Hedge: &hedge{DelayMs: i64(10)},
			}},
			{name: "Watch", replies: true},
		}})})
		for _, v := range slices.Concat(e.Channel, e.Services[0].Methods[0].Values, e.Services[0].Methods[1].Values) {
			got[v.Field] = true
		}
	}
	for _, field := range want {
		if !got[field] {
			t.Errorf("%s is not explained: add a row to values.go", field)
		}
	}
}
