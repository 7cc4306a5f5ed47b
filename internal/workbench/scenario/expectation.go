package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// Expectation is one thing that must be true of one arm.
type Expectation struct {
	Arm    Arm
	Text   string // what it means, for people
	Metric Metric
	Want   Bound
}

// Metric names a figure of an arm.
type Metric string

// The metrics.
const (
	Calls           Metric = "calls"
	Failed          Metric = "failed" // calls that returned an error
	Bad             Metric = "bad"    // failed, or as slow as load.bad_after
	AttemptsPerCall Metric = "attempts_per_call"
	P50             Metric = "p50_ms"
	P99             Metric = "p99_ms"
	Max             Metric = "max_ms"
	BusiestOverMean Metric = "busiest_over_mean"
	LastBad         Metric = "last_bad_ms" // after the first fault
)

// Metrics lists all metrics.
func Metrics() []Metric {
	return []Metric{Calls, Failed, Bad, AttemptsPerCall, P50, P99, Max, BusiestOverMean, LastBad}
}

// Bound is a comparison with a number, such as "<= 1000".
type Bound struct {
	Op    string // one of <=, >=, <, >, ==
	Value float64
}

// bounds lists the comparisons; a longer one before its prefix.
func bounds() []string { return []string{"<=", ">=", "==", "<", ">"} }

// ParseBound reads a bound.
func ParseBound(text string) (Bound, error) {
	for _, op := range bounds() {
		rest, ok := strings.CutPrefix(strings.TrimSpace(text), op)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
		if err != nil || value != value {
			return Bound{}, fmt.Errorf("%q is not a number", strings.TrimSpace(rest))
		}
		return Bound{Op: op, Value: value}, nil
	}
	return Bound{}, fmt.Errorf("%q does not start with one of %s", text, strings.Join(bounds(), " "))
}

// Holds says whether got satisfies the bound.
func (b Bound) Holds(got float64) bool {
	switch b.Op {
	case "<=":
		return got <= b.Value
	case ">=":
		return got >= b.Value
	case "==":
		return got == b.Value
	case "<":
		return got < b.Value
	case ">":
		return got > b.Value
	}
	return false
}

// String writes the bound as ParseBound reads it.
func (b Bound) String() string {
	return b.Op + " " + strconv.FormatFloat(b.Value, 'f', -1, 64)
}
