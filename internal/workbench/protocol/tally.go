package protocol

import (
	"errors"
	"time"
)

// Tally is what a load program counted. Tallies of several programs add up with
// Merge. A Tally is a value for one goroutine.
type Tally struct {
	Calls    int64            `json:"calls"`
	OK       int64            `json:"ok"`
	Errors   map[string]int64 `json:"errors"`   // failed calls by code name
	Attempts int64            `json:"attempts"` // streams begun for the calls and beside them (probes)
	Replies  map[string]int64 `json:"replies"`  // by the name of the server that answered
	Bad      int64            `json:"bad"`      // failed, or slower than the limit
	LastBad  Instant          `json:"last_bad"` // when the last bad call was issued; 0 without one
	MaxLag   time.Duration    `json:"max_lag"`  // how late the program issued its latest call
	Slices   []Slice          `json:"slices"`   // calls by when they were planned
	Latency  Histogram        `json:"latency"`
	Quiet    Histogram        `json:"quiet"` // of calls planned before Go.Quiet
	After    Histogram        `json:"after"` // of calls planned from Go.After on

	Failed  Writes      `json:"failed"`  // writes
	Before  Goodput     `json:"before"`  // of calls planned before Go.Quiet
	Settled Goodput     `json:"settled"` // of calls planned from Go.Settled on
	Reads   Goodput     `json:"reads"`   // of calls that change nothing
	Watched Watched     `json:"watched"` // what came of watching
	Lost    int64       `json:"lost"`    // leases
	Streams Streams     `json:"streams"` // attempts, by where they went
	Closed  []Closed    `json:"closed"`  // connections that ended
	Keys    map[int]Key `json:"keys"`    // who answered the calls of each key
	// BudgetUsed is the largest part of its budget that a client has used.
	BudgetUsed float64 `json:"budget_used"`
}

// Slice counts the calls issued in one slice of the run.
type Slice struct {
	Calls int64 `json:"calls"`
	Bad   int64 `json:"bad"`
}

func newTally() Tally {
	return Tally{Errors: map[string]int64{}, Replies: map[string]int64{}, Streams: Streams{}, Keys: map[int]Key{}}
}

// Merge adds the tallies up.
func Merge(tallies ...Tally) (Tally, error) {
	sum := newTally()
	var latency, quiet, after []Histogram
	for _, t := range tallies {
		sum.Calls += t.Calls
		sum.OK += t.OK
		sum.Attempts += t.Attempts
		sum.Bad += t.Bad
		sum.LastBad = max(sum.LastBad, t.LastBad)
		sum.MaxLag = max(sum.MaxLag, t.MaxLag)
		for code, n := range t.Errors {
			sum.Errors[code] += n
		}
		for server, n := range t.Replies {
			sum.Replies[server] += n
		}
		for len(sum.Slices) < len(t.Slices) {
			sum.Slices = append(sum.Slices, Slice{})
		}
		for j, s := range t.Slices {
			sum.Slices[j].Calls += s.Calls
			sum.Slices[j].Bad += s.Bad
		}
		latency, quiet, after = append(latency, t.Latency), append(quiet, t.Quiet), append(after, t.After)
		sum.Failed.merge(t.Failed)
		sum.BudgetUsed = max(sum.BudgetUsed, t.BudgetUsed)
		sum.Before.add(t.Before)
		sum.Settled.add(t.Settled)
		sum.Reads.add(t.Reads)
		sum.Watched.Add(t.Watched)
		sum.Lost += t.Lost
		sum.Streams.merge(t.Streams)
		sum.Closed = append(sum.Closed, t.Closed...)
		for number, key := range t.Keys {
			for server, stay := range key {
				sum.key(number).add(server, stay.First, stay.Last)
			}
		}
	}
	var errs [3]error
	sum.Latency, errs[0] = mergeHistograms(latency)
	sum.Quiet, errs[1] = mergeHistograms(quiet)
	sum.After, errs[2] = mergeHistograms(after)
	if err := errors.Join(errs[:]...); err != nil {
		return Tally{}, err
	}
	return sum, nil
}

// key returns the entry of a key, which it makes when there is none.
func (t Tally) key(number int) Key {
	k := t.Keys[number]
	if k == nil {
		k = Key{}
		t.Keys[number] = k
	}
	return k
}

// BusiestOverMean compares the server that answered most with the mean over
// all servers of the fleet, the idle and the dead ones too; 0 without replies.
func (t Tally) BusiestOverMean(fleet int) float64 {
	var busiest, all int64
	for _, n := range t.Replies {
		busiest = max(busiest, n)
		all += n
	}
	if all == 0 || fleet == 0 {
		return 0
	}
	return float64(busiest) * float64(fleet) / float64(all)
}

// LastBadAfter is how long after the fault the last bad call was issued; 0 when
// none was issued after it.
func (t Tally) LastBadAfter(fault Instant) time.Duration {
	if fault == 0 || t.LastBad < fault {
		return 0
	}
	return t.LastBad.Sub(fault)
}
