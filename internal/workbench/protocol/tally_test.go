package protocol_test

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// quantile says whether got is the q-quantile of the sorted values, to three
// significant figures. Which of two neighbours that is, is a convention.
func quantile(got, q float64, sorted []float64) bool {
	rank := q * float64(len(sorted))
	low, high := sorted[max(int(math.Floor(rank))-1, 0)], sorted[int(math.Ceil(rank))-1]
	return near(got, low) || near(got, high) || low < got && got < high
}

// record gives the calls to a recorder, as a load program does.
func record(t *testing.T, all []protocol.Outcome) protocol.Tally {
	t.Helper()
	r := protocol.NewRecorder(run, badAfter)
	for _, o := range all {
		r.Add(o)
	}
	tally, err := r.Tally()
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

// near says whether two latencies are the same to three significant figures.
func near(a, b float64) bool { return math.Abs(a-b) <= 0.002*math.Max(a, b)+0.002 }

// Calls are spread over several programs, whose tallies travel as JSON and are
// added up; all that must be as if one hand had counted them all.
func TestTalliesAddUpToTheModel(t *testing.T) {
	for seed := range uint64(20) {
		all := outcomes(seed, 2000)
		want, took := model(all)
		var parts []protocol.Tally
		for part := range slices.Chunk(all, 700) {
			text, err := json.Marshal(record(t, part))
			if err != nil {
				t.Fatal(err)
			}
			var travelled protocol.Tally
			if err := json.Unmarshal(text, &travelled); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, travelled)
		}
		got, err := protocol.Merge(parts...)
		if err != nil {
			t.Fatal(err)
		}
		for name, part := range map[string]struct {
			got    protocol.Histogram
			sorted []float64
		}{"all": {got.Latency, took.all}, "quiet": {got.Quiet, took.quiet}, "after": {got.After, took.after}} {
			q, err := part.got.Quantiles()
			if err != nil {
				t.Fatal(err)
			}
			if !quantile(q.P50, 0.5, part.sorted) || !quantile(q.P99, 0.99, part.sorted) || !quantile(q.Max, 1, part.sorted) {
				t.Errorf("seed %d, %s: wrong quantiles of %d calls: %+v", seed, name, len(part.sorted), q)
			}
		}
		got.Latency, got.Quiet, got.After = nil, nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d\ngot  %+v\nwant %+v", seed, got, want)
		}
	}
}

func TestEdgesOfTheMeasuredPart(t *testing.T) {
	for planned, counts := range map[time.Duration]int64{
		time.Second - 1:   0,
		time.Second:       1,
		3*time.Second - 1: 1,
		3 * time.Second:   0,
	} {
		// Issued late: the plan decides.
		o := protocol.Outcome{Planned: at(planned), Issued: at(planned + time.Second), Code: "OK"}
		if got := record(t, []protocol.Outcome{o}).Calls; got != counts {
			t.Errorf("a call planned for %v counts %d times, want %d", planned, got, counts)
		}
		r := protocol.NewRecorder(run, badAfter)
		r.Attempt(at(planned))
		if tally, err := r.Tally(); err != nil || tally.Attempts != counts {
			t.Errorf("an attempt of a call planned for %v counts %d times (%v), want %d", planned, tally.Attempts, err, counts)
		}
	}
}

func TestLastBadIsTheLastThatAnybodyNoticed(t *testing.T) {
	call := func(issued, took time.Duration, code string) protocol.Outcome {
		return protocol.Outcome{Planned: at(issued), Issued: at(issued), Took: took, Code: code}
	}
	const ms, fault = time.Millisecond, 1500 * time.Millisecond
	tests := []struct {
		name  string
		calls []protocol.Outcome
		want  time.Duration // after the fault
	}{
		{"none", []protocol.Outcome{call(1600*ms, 10*ms, "OK")}, 0},
		{"a failed one", []protocol.Outcome{call(1600*ms, 10*ms, "UNAVAILABLE"), call(1700*ms, 10*ms, "OK")}, 100 * ms},
		{"a slow one", []protocol.Outcome{call(1600*ms, 250*ms, "OK"), call(1700*ms, 249*ms, "OK")}, 100 * ms},
		{"not the last to return but the last to be issued", []protocol.Outcome{call(1900*ms, 300*ms, "OK"), call(1600*ms, 1000*ms, "DEADLINE_EXCEEDED")}, 400 * ms},
		{"one that was issued before the fault", []protocol.Outcome{call(1499*ms, 900*ms, "UNAVAILABLE")}, 0},
		{"outside of the measured part", []protocol.Outcome{call(3100*ms, 900*ms, "UNAVAILABLE")}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tally := record(t, test.calls)
			if got := tally.LastBadAfter(at(fault)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if got := tally.LastBadAfter(0); got != 0 {
				t.Errorf("without a fault it is %v", got)
			}
		})
	}
}

func TestBusiestOverMean(t *testing.T) {
	tests := []struct {
		name    string
		replies map[string]int64
		fleet   int
		want    float64
	}{
		{"even", map[string]int64{"a": 5, "b": 5}, 2, 1},
		{"one carries all", map[string]int64{"a": 10}, 4, 4},
		{"an idle server counts", map[string]int64{"a": 5, "b": 5}, 4, 2},
		{"no reply", nil, 4, 0},
		{"no fleet", map[string]int64{"a": 5}, 0, 0},
	}
	for _, test := range tests {
		if got := (protocol.Tally{Replies: test.replies}).BusiestOverMean(test.fleet); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// A call may last longer than a histogram can hold; it still counts.
func TestEndlessAndImmediateCallsCount(t *testing.T) {
	tally := record(t, []protocol.Outcome{
		{Planned: run.From, Issued: run.From, Took: time.Hour, Code: "OK"},
		{Planned: run.From, Issued: run.From, Took: -1, Code: "OK"},
	})
	q, err := tally.Latency.Quantiles()
	if err != nil {
		t.Fatal(err)
	}
	if tally.Calls != 2 || !near(q.Max, 60_000) || q.P50 > 0.01 {
		t.Errorf("%d calls, %+v; want 2, the longest of a minute", tally.Calls, q)
	}
}

func TestNothingWasCounted(t *testing.T) {
	empty, err := protocol.Merge()
	if err != nil {
		t.Fatal(err)
	}
	for name, tally := range map[string]protocol.Tally{"zero": {}, "merged": empty, "recorded": record(t, nil)} {
		q, err := tally.Latency.Quantiles()
		if err != nil || q != (protocol.Quantiles{}) {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

func TestBrokenHistogramIsAnError(t *testing.T) {
	broken := protocol.Tally{Latency: []byte("not one")}
	if _, err := protocol.Merge(protocol.Tally{}, broken); err == nil || err.Error()[:len("histogram of load program 1:")] != "histogram of load program 1:" {
		t.Errorf("Merge: %v", err)
	}
	if _, err := broken.Latency.Quantiles(); err == nil {
		t.Error("Quantiles read it")
	}
}

func TestProgressCountsFailures(t *testing.T) {
	r := protocol.NewRecorder(run, badAfter)
	for _, code := range []string{"OK", "UNAVAILABLE", "OK"} {
		r.Add(protocol.Outcome{Planned: run.From, Issued: run.From, Code: code, Took: time.Second})
	}
	if got, want := r.Progress(), (protocol.Progress{Calls: 3, Failed: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestClockRunsForward(t *testing.T) {
	before := protocol.Now()
	start := time.Now()
	for protocol.Now() == before {
	}
	if d := protocol.Now().Sub(before); d <= 0 || d > time.Since(start)+time.Minute {
		t.Errorf("it went on by %v", d)
	}
	if later := before.Add(time.Hour); later.Sub(before) != time.Hour || protocol.Until(later) > time.Hour || protocol.Until(before) > 0 {
		t.Errorf("an hour later is %v later, %v from now", later.Sub(before), protocol.Until(later))
	}
}
