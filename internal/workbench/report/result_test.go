package report_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func encode(t *testing.T, all []report.Scenario) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteJSON(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Programs read these names; they and their meaning stay.
func TestJSONKeys(t *testing.T) {
	var all []struct {
		Scenario     *string `json:"scenario"`
		Isolation    *string `json:"isolation"`
		Arms         []map[string]any
		Expectations []map[string]any
	}
	if err := json.Unmarshal([]byte(encode(t, []report.Scenario{silence()})), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Scenario == nil || *all[0].Scenario != "silent-drop" || all[0].Isolation == nil || *all[0].Isolation != "namespaces" {
		t.Fatalf("got %+v", all)
	}
	has := func(got, want map[string]any) {
		t.Helper()
		for key, value := range want {
			if !reflect.DeepEqual(got[key], value) {
				t.Errorf("%s is %v, want %v", key, got[key], value)
			}
		}
	}
	has(all[0].Arms[0], map[string]any{
		"name": "grpc-go", "calls": 12800.0, "ok": 11680.0,
		"errors":   map[string]any{"DEADLINE_EXCEEDED": 1100.0, "UNAVAILABLE": 20.0},
		"attempts": 12800.0, "p50_ms": 3.118, "p99_ms": 2001.9, "max_ms": 2021.5,
		"busiest_over_mean": 3.29, "last_bad_ms": 6991.2,
	})
	has(all[0].Expectations[1], map[string]any{
		"arm": "surefoot", "text": "soon nobody waits for the silent server any more",
		"got": 2015.25, "want": "<= 2015", "ok": false,
	})
}

// The whole of it, so that a new or a lost key is seen in the diff of a change.
func TestJSONGolden(t *testing.T) {
	golden(t, "results.json", encode(t, []report.Scenario{silence(), even(), skipped()}))
}

// A reader in another language finds lists and maps where they belong, however
// empty.
func TestJSONHasNoNull(t *testing.T) {
	for name, all := range map[string][]report.Scenario{
		"no scenario": nil,
		"no arm":      {{}},
		"empty arm":   {{Arms: []report.Arm{{}}}},
	} {
		if text := encode(t, all); strings.Contains(text, "null") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestJudge(t *testing.T) {
	arms := []report.Arm{
		{Name: "surefoot", Client: "surefoot", Calls: 1000, OK: 998, Bad: 5, Attempts: 1040, P50: 1.5, P99: 20, Max: 300, BusiestOverMean: 1.01, LastBad: 900},
		{Name: "grpc-go", Skipped: "not here"},
		{Name: "grpc-go round_robin"}, // no call came through
	}
	tests := []struct {
		arm    string
		metric scenario.Metric
		want   scenario.Bound
		got    float64
		ok     bool
		judged bool
	}{
		{"surefoot", scenario.Calls, scenario.Bound{Op: "==", Value: 1000}, 1000, true, true},
		{"surefoot", scenario.Calls, scenario.Bound{Op: "==", Value: 999}, 1000, false, true},
		{"surefoot", scenario.Failed, scenario.Bound{Op: "<=", Value: 2}, 2, true, true},
		{"surefoot", scenario.Failed, scenario.Bound{Op: "==", Value: 0}, 2, false, true},
		{"surefoot", scenario.Bad, scenario.Bound{Op: "==", Value: 5}, 5, true, true},
		{"surefoot", scenario.AttemptsPerCall, scenario.Bound{Op: "<=", Value: 1.04}, 1.04, true, true},
		{"surefoot", scenario.AttemptsPerCall, scenario.Bound{Op: "<", Value: 1.04}, 1.04, false, true},
		{"surefoot", scenario.P50, scenario.Bound{Op: "<", Value: 1.6}, 1.5, true, true},
		{"surefoot", scenario.P99, scenario.Bound{Op: ">", Value: 20}, 20, false, true},
		{"surefoot", scenario.Max, scenario.Bound{Op: ">=", Value: 300}, 300, true, true},
		{"surefoot", scenario.BusiestOverMean, scenario.Bound{Op: "<=", Value: 1.02}, 1.01, true, true},
		{"surefoot", scenario.LastBad, scenario.Bound{Op: "<=", Value: 1000}, 900, true, true},
		{"surefoot", scenario.LastBad, scenario.Bound{Op: "<=", Value: 899}, 900, false, true},
		{arm: "grpc-go", metric: scenario.Failed, want: scenario.Bound{Op: "==", Value: 0}}, // skipped
		// Nothing was proved by not calling.
		{"grpc-go round_robin", scenario.Failed, scenario.Bound{Op: "==", Value: 0}, 0, false, true},
	}
	for _, test := range tests {
		judged, err := report.Judge(arms, []scenario.Expectation{{Arm: test.arm, Text: "t", Metric: test.metric, Want: test.want}})
		if err != nil {
			t.Errorf("%s of %s: %v", test.metric, test.arm, err)
			continue
		}
		if !test.judged {
			if len(judged) > 0 {
				t.Errorf("%s of %s was judged: %+v", test.metric, test.arm, judged)
			}
			continue
		}
		want := []report.Expectation{{
			Arm: test.arm, Text: "t", Metric: string(test.metric),
			Got: test.got, Want: test.want.String(), OK: test.ok,
		}}
		if !reflect.DeepEqual(judged, want) {
			t.Errorf("%s of %s\ngot  %+v\nwant %+v", test.metric, test.arm, judged, want)
		}
	}
}

// An arm may be judged by what another one did; by one that did nothing it cannot.
func TestJudgeBesideAnotherArm(t *testing.T) {
	arms := []report.Arm{
		{Name: "hedged", Client: "surefoot", Calls: 10, OK: 10, P99: 40},
		{Name: "not hedged", Client: "surefoot", Calls: 10, OK: 10, P99: 160, LastBad: 0},
		{Name: "silent"},
		{Name: "absent", Skipped: "not here", P99: 9},
	}
	tests := []struct {
		beside string
		metric scenario.Metric
		got    float64
		ok     bool
	}{
		{"not hedged", scenario.P99, 0.25, true},
		{"not hedged", scenario.LastBad, 0, false}, // nothing to compare with
		{"not hedged", scenario.WastedWork, 0, false},
		{"silent", scenario.P99, 0, false},
		{"absent", scenario.P99, 0, false},
		{"nobody", scenario.P99, 0, false},
	}
	for _, test := range tests {
		expect := []scenario.Expectation{{Arm: "hedged", Text: "t", Metric: test.metric, Beside: test.beside, Want: scenario.Bound{Op: "<=", Value: 0.5}}}
		judged, err := report.Judge(arms, expect)
		if err != nil || len(judged) != 1 || judged[0].Got != test.got || judged[0].OK != test.ok || judged[0].Beside != test.beside {
			t.Errorf("%s beside %s: %+v, %v; want %v, %v", test.metric, test.beside, judged, err, test.got, test.ok)
		}
		s := report.Scenario{Arms: arms, Expectations: judged}
		if s.Kept() != test.ok { // it is an arm of surefoot, whatever its name
			t.Errorf("%s beside %s: kept: %v", test.metric, test.beside, s.Kept())
		}
		if board := plain(t, report.Board(s, 200)); test.ok && !strings.Contains(board, "(p99_ms is 0.25 × that of not hedged, wanted <= 0.5)") {
			t.Errorf("the board says\n%s", board)
		}
	}
}

// A metric that scenarios may name has a figure.
func TestEveryMetricHasAFigure(t *testing.T) {
	arm := []report.Arm{{Name: "surefoot", Client: "surefoot", Calls: 1}}
	for _, metric := range scenario.Metrics() {
		if _, err := report.Judge(arm, []scenario.Expectation{{Arm: "surefoot", Metric: metric}}); err != nil {
			t.Error(err)
		}
	}
	if _, err := report.Judge(arm, []scenario.Expectation{{Arm: "surefoot", Metric: "mood"}}); err == nil {
		t.Error("an unknown metric was judged")
	}
}
