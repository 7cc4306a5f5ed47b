package report

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// full is an arm of which everything was measured.
func full() Arm {
	f := func(v float64) *float64 { return &v }
	closed, kinds := int64(3), 11
	n := func(v int64) *int64 { return &v }
	return Arm{Name: "surefoot", Client: "surefoot", Calls: 10, OK: 10, Figures: Figures{
		Closed: &closed, NewShare: f(0.97), BadShare: f(0.004), Returned: f(2500),
		QuietP99: f(10), AfterP99: f(15), P99OverQuiet: f(1.5), BadReplies: &kinds,
		Keys:    &Keys{Moved: 80, Stray: 2, Away: 1},
		Goodput: &Goodput{Before: 1, After: f(0.96)},
		Missing: n(7), Doubled: n(8), OutOfOrder: n(9), LeasesLost: n(11),
		FailedIdempotent: n(5), AppliedTwice: n(4),
		Writes:         &Writes{FailedSent: 21, FailedUnsent: 22, Unsaid: 23, Overstated: 24},
		BottomAttempts: n(120), WastedWork: f(2300),
	}}
}

func TestEveryMetricIsJudged(t *testing.T) {
	want := map[scenario.Metric]float64{
		scenario.Closed: 3, scenario.NewShare: 0.97, scenario.BadShare: 0.004, scenario.Returned: 2500,
		scenario.QuietP99: 10, scenario.P99OverQuiet: 1.5, scenario.BadReplies: 11,
		scenario.MovedKeys: 80, scenario.StrayKeys: 2, scenario.AwayKeys: 1,
		scenario.GoodputBefore: 1, scenario.GoodputAfter: 0.96, scenario.FailedReads: 5, scenario.AppliedTwice: 4,
		scenario.FailedSent: 21, scenario.FailedUnsent: 22, scenario.Unsaid: 23, scenario.Overstated: 24,
		scenario.Missing: 7, scenario.Doubled: 8, scenario.OutOfOrder: 9, scenario.LeasesLost: 11,
		scenario.BottomAttempts: 120, scenario.WastedWork: 2300,
	}
	for _, metric := range scenario.Metrics() {
		expect := []scenario.Expectation{{Arm: "surefoot", Metric: metric, Want: scenario.Bound{Op: ">=", Value: 0}}}
		judged, err := Judge([]Arm{full()}, expect)
		if err != nil || !judged[0].OK {
			t.Errorf("%s: %+v, %v", metric, judged, err)
		}
		if v, rare := want[metric]; rare {
			if judged[0].Got != v {
				t.Errorf("%s is %v, want %v", metric, judged[0].Got, v)
			}
			// What was not measured proves nothing, whatever the bound.
			judged, err = Judge([]Arm{{Name: "surefoot", Client: "surefoot", Calls: 10, OK: 10}}, expect)
			if err != nil || judged[0].OK {
				t.Errorf("%s was not measured and is %+v, %v", metric, judged, err)
			}
		}
	}
}

func TestRareKeysOfTheJSON(t *testing.T) {
	text, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		`"closed_connections":3`, `"new_share":0.97`, `"bad_share":0.004`, `"returned_ms":2500`, `"quiet_p99_ms":10`,
		`"after_p99_ms":15`, `"p99_over_quiet":1.5`, `"bad_replies":11`, `"moved_keys":80`, `"stray_keys":2`, `"away_keys":1`,
		`"goodput_before":1`, `"goodput_after":0.96`, `"failed_idempotent":5`, `"applied_twice":4`, `"bottom_attempts":120`, `"wasted_work":2300`,
		`"failed_sent_writes":21`, `"failed_unsent_writes":22`, `"unsaid_writes":23`, `"overstated_writes":24`,
		`"missing":7`, `"doubled":8`, `"out_of_order":9`, `"leases_lost":11`,
	} {
		if !strings.Contains(string(text), key) {
			t.Errorf("there is no %s in %s", key, text)
		}
	}
	if text, err = json.Marshal(Arm{}); err != nil || strings.Contains(string(text), "share") || strings.Contains(string(text), "keys") {
		t.Errorf("what was not measured is written: %s (%v)", text, err)
	}
}

var colourless = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestFiguresSideBySide(t *testing.T) {
	rest := full()
	rest.Name, rest.BudgetUsed, rest.Keys = "another arm", 0.124, nil
	s := Scenario{Name: "s", Arms: []Arm{full(), rest}}
	got := colourless.ReplaceAllString(Board(s, 100), "")
	for _, want := range []string{
		"load added, of the 20 % + 1/s of a budget, at the worst 0 % 12 %",
		"calls that succeeded, before the fault 100.0 % 100.0 %", "… and from 5 s after its end 96.0 %",
		"p99, before the fault 10 ms", "… and from 2 s after it 15 ms",
		"attempts that went where it struck, from 2 s after it 0.4 %", "the healed had their share again after 2.5 s",
		"attempts to the new servers, of a fair share 97 %", "connections closed to servers that were well 3",
		"keys that moved 80 –", "… from servers that were well 2 –", "… and were still away at the end 1 –",
		"attempts that came to the bottom 120", "work for callers that had given up 2.3 s",
		"idempotent calls that failed 5", "writes that were applied twice 4",
		"writes that were sent, and failed 21", "… and no word that they may have been applied 23",
		"writes that failed and were never sent 22", "… and such a word all the same 24",
		"changes that watchers missed 7", "… got twice 8", "… got out of order 9", "leases that were lost 11",
	} {
		if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	none := int64(0)
	if got := comparison(Scenario{Arms: []Arm{{Figures: Figures{Closed: &none}}}}, 100); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		part   float64
		digits int
		want   string
	}{
		{0, 1, "0.0 %"}, {1, 1, "100.0 %"}, {0.0004, 1, "< 0.1 %"}, {0.0006, 1, "0.1 %"}, {0.9994, 1, "99.9 %"}, {0.9996, 1, "> 99.9 %"},
		{0.004, 0, "< 1 %"}, {0.996, 0, "> 99 %"}, {0.994, 0, "99 %"}, {5.3, 0, "530 %"},
	} {
		if got := percent(test.part, test.digits); got != test.want {
			t.Errorf("%v with %d digits is %q, want %q", test.part, test.digits, got, test.want)
		}
	}
}

// However many arms there are, and whatever they are called, it fits.
func TestFiguresFitIntoATerminal(t *testing.T) {
	arm := full()
	arm.Name = "grpc-go round_robin + MaxConnectionAge"
	for _, width := range []int{80, 100, 120} {
		for line := range strings.Lines(colourless.ReplaceAllString(Board(Scenario{Name: "s", Arms: []Arm{arm, arm, full()}}, width), "")) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("at width %d a line of %d: %q", width, n, line)
			}
		}
	}
}

// A machine that was itself late cannot judge: it says so, and a broken
// expectation is still broken.
func TestDoubtIsSaidAndExcusesNothing(t *testing.T) {
	for _, test := range []struct {
		metric  scenario.Metric
		lag     float64
		doubted string
	}{
		{scenario.Bad, 250, ""},
		{scenario.Bad, 251, "(the machine was too busy: lag 251 ms)"},
		{scenario.Max, 100, ""},
		{scenario.Max, 101, "(the machine was too busy: lag 101 ms)"},
	} {
		expect := []scenario.Expectation{{Arm: "surefoot", Text: "quick", Metric: test.metric, Want: scenario.Bound{Op: "<=", Value: 1}}}
		arm := Arm{Name: "surefoot", Client: "surefoot", Calls: 9, OK: 9, Max: 300, Bad: 7, MaxLag: test.lag}
		judged, err := Judge([]Arm{arm}, expect)
		if err != nil {
			t.Fatal(err)
		}
		s := Scenario{Name: "s", Arms: []Arm{arm}, Expectations: judged}
		if said := strings.Contains(Board(s, 300), "(the machine was too busy"); said != (test.doubted != "") || !strings.Contains(Board(s, 300), test.doubted) {
			t.Errorf("%s at a lag of %v ms: doubt is said: %v", test.metric, test.lag, said)
		}
		if s.Kept() {
			t.Errorf("%s at a lag of %v ms: the broken expectation is kept", test.metric, test.lag)
		}
	}
}
