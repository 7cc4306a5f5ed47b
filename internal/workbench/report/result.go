package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

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
	Timeline        []Slice          `json:"timeline"`    // by when calls were planned
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
	switch m {
	case scenario.Calls:
		return float64(a.Calls), nil
	case scenario.Failed:
		return float64(a.Failed()), nil
	case scenario.Bad:
		return float64(a.Bad), nil
	case scenario.AttemptsPerCall:
		return a.AttemptsPerCall(), nil
	case scenario.P50:
		return a.P50, nil
	case scenario.P99:
		return a.P99, nil
	case scenario.Max:
		return a.Max, nil
	case scenario.BusiestOverMean:
		return a.BusiestOverMean, nil
	case scenario.LastBad:
		return a.LastBad, nil
	}
	return 0, fmt.Errorf("no figure for the metric %q", m)
}

// Judge compares the figures of the arms with what a scenario expects. An arm
// that was skipped is not judged; an arm without calls meets no expectation,
// because nothing was proved.
func Judge(arms []Arm, expect []scenario.Expectation) ([]Expectation, error) {
	var judged []Expectation
	for _, e := range expect {
		for _, arm := range arms {
			if arm.Name != string(e.Arm) || arm.Skipped != "" {
				continue
			}
			got, err := arm.metric(e.Metric)
			if err != nil {
				return nil, err
			}
			judged = append(judged, Expectation{
				Arm: arm.Name, Text: e.Text, Metric: string(e.Metric),
				Got: got, Want: e.Want.String(), OK: arm.Calls > 0 && e.Want.Holds(got),
			})
		}
	}
	return judged, nil
}

// Kept says whether every expectation of surefoot held. The other arms are
// there to compare with; they may fail.
func (s Scenario) Kept() bool {
	for _, e := range s.Expectations {
		if e.Arm == string(scenario.Surefoot) && !e.OK {
			return false
		}
	}
	return true
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

// figure writes a number as short as it can be read: whole ones with thousands
// separators, others with two decimals.
func figure(v float64) string {
	if v == float64(int64(v)) {
		return thousands(int64(v))
	}
	if v >= 100 {
		return thousands(int64(v + 0.5))
	}
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// thousands writes 12345 as 12,345.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
