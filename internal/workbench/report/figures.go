package report

import (
	"errors"
	"fmt"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// Figures are those that only some scenarios measure; nil is "not measured".
type Figures struct {
	Closed       *int64   `json:"closed_connections,omitempty"` // to servers that were well
	NewShare     *float64 `json:"new_share,omitempty"`          // of the servers that joined, ÷ their fair share, over the last 5 s
	BadShare     *float64 `json:"bad_share,omitempty"`          // of the attempts, from 2 s after the fault until it heals
	Returned     *float64 `json:"returned_ms,omitempty"`        // after healing, until the server had its share again
	QuietP99     *float64 `json:"quiet_p99_ms,omitempty"`       // of calls before the first fault
	AfterP99     *float64 `json:"after_p99_ms,omitempty"`       // of calls later than 2 s after it
	P99OverQuiet *float64 `json:"p99_over_quiet,omitempty"`
	BadReplies   *int     `json:"bad_replies,omitempty"` // kinds of them that DNS gave
	*Keys
	*Goodput

	FailedIdempotent *int64 `json:"failed_idempotent,omitempty"` // calls that change nothing, where others do
	AppliedTwice     *int64 `json:"applied_twice,omitempty"`     // writes that were applied more than once
	*Writes

	Missing    *int64 `json:"missing,omitempty"` // messages that those who watch did not get
	Doubled    *int64 `json:"doubled,omitempty"`
	OutOfOrder *int64 `json:"out_of_order,omitempty"`
	LeasesLost *int64 `json:"leases_lost,omitempty"` // not renewed in time

	BottomAttempts *int64   `json:"bottom_attempts,omitempty"` // that the last layer of servers handled
	WastedWork     *float64 `json:"wasted_work,omitempty"`     // ms that servers spent on calls after their callers had given up
}

// Goodput is the part of the calls issued that succeeded.
type Goodput struct {
	Before float64  `json:"goodput_before"`          // the first fault
	After  *float64 `json:"goodput_after,omitempty"` // from 5 s after the servers struck first have healed
}

// Writes counts writes that failed, and whether their errors say that they may have
// been applied.
type Writes struct {
	FailedSent   int64 `json:"failed_sent_writes"`
	FailedUnsent int64 `json:"failed_unsent_writes"` // no attempt was sent
	Unsaid       int64 `json:"unsaid_writes"`        // sent or applied, and the error does not say so
	Overstated   int64 `json:"overstated_writes"`    // not sent, and it does
}

// Keys counts keys that were answered by another server than at first.
type Keys struct {
	Moved int64 `json:"moved_keys"` // at some time
	Stray int64 `json:"stray_keys"` // though the first one was never harmed
	Away  int64 `json:"away_keys"`  // at the end of the run still
}

// errNotMeasured is of an arm that had nothing to measure, such as attempts in
// the time that counts.
var errNotMeasured = errors.New("not measured")

// figure reads a figure that only some scenarios measure.
func (f Figures) figure(m scenario.Metric) (float64, error) {
	keys, goodput, writes := orZero(f.Keys), orZero(f.Goodput), orZero(f.Writes)
	known := map[scenario.Metric]struct {
		measured bool
		value    float64
	}{
		scenario.Closed:         {f.Closed != nil, value(f.Closed)},
		scenario.NewShare:       {f.NewShare != nil, value(f.NewShare)},
		scenario.BadShare:       {f.BadShare != nil, value(f.BadShare)},
		scenario.Returned:       {f.Returned != nil, value(f.Returned)},
		scenario.QuietP99:       {f.QuietP99 != nil, value(f.QuietP99)},
		scenario.P99OverQuiet:   {f.P99OverQuiet != nil, value(f.P99OverQuiet)},
		scenario.BadReplies:     {f.BadReplies != nil, value(f.BadReplies)},
		scenario.MovedKeys:      {f.Keys != nil, float64(keys.Moved)},
		scenario.StrayKeys:      {f.Keys != nil, float64(keys.Stray)},
		scenario.AwayKeys:       {f.Keys != nil, float64(keys.Away)},
		scenario.GoodputBefore:  {f.Goodput != nil, goodput.Before},
		scenario.GoodputAfter:   {goodput.After != nil, value(goodput.After)},
		scenario.FailedReads:    {f.FailedIdempotent != nil, value(f.FailedIdempotent)},
		scenario.AppliedTwice:   {f.AppliedTwice != nil, value(f.AppliedTwice)},
		scenario.FailedSent:     {f.Writes != nil, float64(writes.FailedSent)},
		scenario.FailedUnsent:   {f.Writes != nil, float64(writes.FailedUnsent)},
		scenario.Unsaid:         {f.Writes != nil, float64(writes.Unsaid)},
		scenario.Overstated:     {f.Writes != nil, float64(writes.Overstated)},
		scenario.Missing:        {f.Missing != nil, value(f.Missing)},
		scenario.Doubled:        {f.Doubled != nil, value(f.Doubled)},
		scenario.OutOfOrder:     {f.OutOfOrder != nil, value(f.OutOfOrder)},
		scenario.LeasesLost:     {f.LeasesLost != nil, value(f.LeasesLost)},
		scenario.BottomAttempts: {f.BottomAttempts != nil, value(f.BottomAttempts)},
		scenario.WastedWork:     {f.WastedWork != nil, value(f.WastedWork)},
	}
	figure, named := known[m]
	switch {
	case !named:
		return 0, fmt.Errorf("no figure for the metric %q", m)
	case !figure.measured:
		return 0, errNotMeasured
	}
	return figure.value, nil
}

// value is what p points to; 0 when it is nil.
func value[N int | int64 | float64](p *N) float64 {
	if p == nil {
		return 0
	}
	return float64(*p)
}

// orZero is what p points to; the zero value when it is nil.
func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
