package protocol_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// The run of these tests: measured from second 1 to second 3.
var run = protocol.Go{
	Start: 0,
	From:  protocol.Instant(time.Second),
	Until: protocol.Instant(3 * time.Second),
	Slice: 100 * time.Millisecond,
	Quiet: protocol.Instant(1500 * time.Millisecond),
	After: protocol.Instant(2200 * time.Millisecond),

	Settled: protocol.Instant(2600 * time.Millisecond),
}

const badAfter = 250 * time.Millisecond

// at is an instant of the run.
func at(d time.Duration) protocol.Instant { return protocol.Instant(d) }

// outcomes makes calls that end in every way, some of them outside of the
// measured part.
func outcomes(seed uint64, n int) []protocol.Outcome {
	rnd := rand.New(rand.NewPCG(seed, 1))
	codes := []string{"OK", "OK", "OK", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
	all := make([]protocol.Outcome, n)
	for i := range all {
		planned := at(time.Duration(rnd.Int64N(int64(4 * time.Second))))
		o := protocol.Outcome{
			Planned: planned,
			Issued:  planned.Add(time.Duration(rnd.Int64N(int64(5 * time.Millisecond)))),
			Took:    time.Duration(rnd.ExpFloat64() * float64(100*time.Millisecond)),
			Code:    codes[rnd.IntN(len(codes))],
			Key:     rnd.IntN(5),
			Write:   rnd.IntN(3) == 0,
			Name:    fmt.Sprint(i),
			Sent:    rnd.IntN(2) == 0,
			Says:    rnd.IntN(2) == 0,
		}
		if o.Code == "OK" {
			o.Server = []string{"a", "b", "c"}[rnd.IntN(3)]
		}
		all[i] = o
	}
	return all
}

// latencies of what counts are in milliseconds, the shortest first.
type latencies struct{ all, quiet, after []float64 }

// one is 1 for what is so.
func one(so bool) int64 {
	if so {
		return 1
	}
	return 0
}

// model counts as one would by hand.
func model(all []protocol.Outcome) (protocol.Tally, latencies) {
	t := protocol.Tally{Errors: map[string]int64{}, Replies: map[string]int64{}, Streams: protocol.Streams{}, Keys: map[int]protocol.Key{}}
	var took latencies
	for _, o := range all {
		if o.Planned < run.From || o.Planned >= run.Until {
			continue
		}
		t.Calls++
		if o.Code == "OK" {
			t.OK++
			t.Replies[o.Server]++
			if o.Key > 0 {
				if t.Keys[o.Key] == nil {
					t.Keys[o.Key] = protocol.Key{}
				}
				stay, known := t.Keys[o.Key][o.Server]
				if !known || o.Issued < stay.First {
					stay.First = o.Issued
				}
				stay.Last = max(stay.Last, o.Issued)
				t.Keys[o.Key][o.Server] = stay
			}
		} else {
			t.Errors[o.Code]++
		}
		good := int64(0)
		if o.Code == "OK" {
			good = 1
		}
		if !o.Write {
			t.Reads.Calls, t.Reads.OK = t.Reads.Calls+1, t.Reads.OK+good
		}
		if o.Planned < run.Quiet {
			t.Before.Calls, t.Before.OK = t.Before.Calls+1, t.Before.OK+good
		}
		if o.Planned >= run.Settled {
			t.Settled.Calls, t.Settled.OK = t.Settled.Calls+1, t.Settled.OK+good
		}
		if o.Write && o.Code != "OK" {
			t.Failed.Sent, t.Failed.Unsent = t.Failed.Sent+one(o.Sent), t.Failed.Unsent+one(!o.Sent)
			t.Failed.Overstated += one(o.Says && !o.Sent)
			if !o.Says && t.Failed.Silent == nil {
				t.Failed.Silent = map[string]bool{}
			}
			if !o.Says {
				t.Failed.Silent[o.Name] = o.Sent
			}
		}
		t.MaxLag = max(t.MaxLag, o.Issued.Sub(o.Planned))
		i := int(o.Planned.Sub(run.From) / run.Slice)
		for len(t.Slices) <= i {
			t.Slices = append(t.Slices, protocol.Slice{})
		}
		t.Slices[i].Calls++
		if o.Code != "OK" || o.Took >= badAfter {
			t.Bad++
			t.Slices[i].Bad++
			t.LastBad = max(t.LastBad, o.Issued)
		}
		ms := float64(o.Took) / float64(time.Millisecond)
		took.all = append(took.all, ms)
		if o.Planned < run.Quiet {
			took.quiet = append(took.quiet, ms)
		}
		if o.Planned >= run.After {
			took.after = append(took.after, ms)
		}
	}
	for _, sorted := range [][]float64{took.all, took.quiet, took.after} {
		slices.Sort(sorted)
	}
	return t, took
}
