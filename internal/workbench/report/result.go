package report

import (
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// Scenario is one scenario and what its arms did. The JSON keys keep their
// meaning from version to version; more may come.
type Scenario struct {
	Name         string        `json:"scenario"`
	Summary      string        `json:"summary"`
	Isolation    string        `json:"isolation"`         // "namespaces" or "loopback"
	Skipped      string        `json:"skipped,omitempty"` // why it was not run here; then no arm has figures
	Seconds      float64       `json:"seconds"`           // of the measured part
	FaultAfter   float64       `json:"fault_after_s"`     // after the start of the measured part; 0 without a fault
	BadAfterMS   float64       `json:"bad_after_ms"`      // a call this long is bad even when it succeeds
	SliceSeconds float64       `json:"slice_s"`           // width of the elements of an arm's timeline
	Arms         []Arm         `json:"arms"`
	Expectations []Expectation `json:"expectations"`
}

// Arm is what the callers of one arm saw.
type Arm struct {
	Name            string           `json:"name"`
	Client          string           `json:"client"` // its kind
	Skipped         string           `json:"skipped,omitempty"`
	Calls           int64            `json:"calls"`
	OK              int64            `json:"ok"`
	Errors          map[string]int64 `json:"errors"`   // failed calls by code name
	Attempts        int64            `json:"attempts"` // streams begun, all retries and probes included
	P50             float64          `json:"p50_ms"`
	P99             float64          `json:"p99_ms"`
	Max             float64          `json:"max_ms"`
	BusiestOverMean float64          `json:"busiest_over_mean"`
	LastBad         float64          `json:"last_bad_ms"` // when after the first fault the last bad call was issued
	Bad             int64            `json:"bad"`         // failed, or at least bad_after_ms long
	MaxLag          float64          `json:"max_lag_ms"`  // how late the lab itself issued a call
	BudgetUsed      float64          `json:"budget_used"` // what a client adds ÷ what a budget of 20 % + 1/s allows it, at the worst
	Timeline        []Slice          `json:"timeline"`    // by when calls were planned

	Figures
}

// Slice is one slice of an arm's timeline.
type Slice struct {
	Calls int64 `json:"calls"`
	Bad   int64 `json:"bad"`
}

// Expectation is one expectation and whether it held.
type Expectation struct {
	Arm  string  `json:"arm"`
	Text string  `json:"text"`
	Got  float64 `json:"got"`
	Want string  `json:"want"`
	OK   bool    `json:"ok"`

	Metric string `json:"metric"`
	// Beside is the arm by whose figure Got was divided; "" when it was not.
	Beside string `json:"beside,omitempty"`
	// Doubt is why the figure may be the fault of the machine; "" when it
	// cannot. A broken expectation with a doubt is still broken.
	Doubt string `json:"doubt,omitempty"`
}

// Failed is the number of calls that returned an error.
func (a Arm) Failed() int64 { return a.Calls - a.OK }

// AttemptsPerCall is the load of the arm on the servers; 0 without calls.
func (a Arm) AttemptsPerCall() float64 {
	if a.Calls == 0 {
		return 0
	}
	return float64(a.Attempts) / float64(a.Calls)
}

// metric reads a figure by the name the scenario language has for it.
func (a Arm) metric(m scenario.Metric) (float64, error) {
	known := map[scenario.Metric]float64{
		scenario.Calls:           float64(a.Calls),
		scenario.Failed:          float64(a.Failed()),
		scenario.Bad:             float64(a.Bad),
		scenario.AttemptsPerCall: a.AttemptsPerCall(),
		scenario.P50:             a.P50,
		scenario.P99:             a.P99,
		scenario.Max:             a.Max,
		scenario.BusiestOverMean: a.BusiestOverMean,
		scenario.LastBad:         a.LastBad,
		scenario.BudgetUsed:      a.BudgetUsed,
	}
	if v, measured := known[m]; measured {
		return v, nil
	}
	return a.figure(m)
}

// Judge compares the figures of the arms with what a scenario expects. An arm
// that was skipped is not judged; an arm without calls, or without what a figure
// is made of, does not meet the expectation, because nothing was proved.
func Judge(arms []Arm, expect []scenario.Expectation) ([]Expectation, error) {
	var judged []Expectation
	for _, e := range expect {
		arm := named(arms, e.Arm)
		if arm == nil || arm.Skipped != "" {
			continue
		}
		got, err := arm.metric(e.Metric)
		if e.Beside != "" && err == nil {
			got, err = relative(got, named(arms, e.Beside), e.Metric)
		}
		unknown := errors.Is(err, errNotMeasured)
		if err != nil && !unknown {
			return nil, err
		}
		judged = append(judged, Expectation{
			Arm: arm.Name, Text: e.Text, Metric: string(e.Metric), Beside: e.Beside,
			Got: got, Want: e.Want.String(), OK: arm.Calls > 0 && !unknown && e.Want.Holds(got),
			Doubt: doubt(*arm, e.Metric),
		})
	}
	return judged, nil
}

// named is the arm of this name; nil without one.
func named(arms []Arm, name string) *Arm {
	for i := range arms {
		if arms[i].Name == name {
			return &arms[i]
		}
	}
	return nil
}

// relative is got divided by the figure of another arm. What is 0 there cannot
// be compared with, and proves nothing.
func relative(got float64, beside *Arm, m scenario.Metric) (float64, error) {
	if beside == nil || beside.Skipped != "" || beside.Calls == 0 {
		return 0, errNotMeasured
	}
	other, err := beside.metric(m)
	switch {
	case err != nil:
		return 0, err
	case other == 0:
		return 0, errNotMeasured
	}
	return got / other, nil
}

// tooLate is by how many milliseconds the lab may be late with a call before it
// can no longer judge an arm; latencies are in doubt from lagWarning on.
const tooLate = 250.0

// doubt is why the machine may be to blame for what a figure is; "" when it is
// not.
func doubt(a Arm, m scenario.Metric) string {
	latencies := []scenario.Metric{scenario.P50, scenario.P99, scenario.Max, scenario.QuietP99, scenario.P99OverQuiet}
	limit := tooLate
	if slices.Contains(latencies, m) {
		limit = lagWarning
	}
	if a.MaxLag <= limit {
		return ""
	}
	return "the machine was too busy: lag " + span(a.MaxLag)
}

// Kept says whether every expectation of surefoot held. The other arms are
// there to compare with; they may fail.
func (s Scenario) Kept() bool {
	return !slices.ContainsFunc(s.Expectations, func(e Expectation) bool { return s.ours(e) && !e.OK })
}

// ours says whether the expectation is of an arm of surefoot.
func (s Scenario) ours(e Expectation) bool {
	arm := named(s.Arms, e.Arm)
	return arm != nil && arm.Client == string(scenario.Surefoot)
}

// WriteJSON writes the scenarios as one JSON array.
func WriteJSON(w io.Writer, scenarios []Scenario) error {
	for i := range scenarios {
		// Absent lists are empty lists to a reader in another language.
		if scenarios[i].Arms == nil {
			scenarios[i].Arms = []Arm{}
		}
		if scenarios[i].Expectations == nil {
			scenarios[i].Expectations = []Expectation{}
		}
		for j := range scenarios[i].Arms {
			if scenarios[i].Arms[j].Errors == nil {
				scenarios[i].Arms[j].Errors = map[string]int64{}
			}
			if scenarios[i].Arms[j].Timeline == nil {
				scenarios[i].Arms[j].Timeline = []Slice{}
			}
		}
	}
	if scenarios == nil {
		scenarios = []Scenario{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(scenarios)
}
