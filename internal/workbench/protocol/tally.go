package protocol

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
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
	Latency  []byte           `json:"latency"`  // compressed histogram of microseconds; see Quantiles
}

// Slice counts the calls issued in one slice of the run.
type Slice struct {
	Calls int64 `json:"calls"`
	Bad   int64 `json:"bad"`
}

// Latency histograms hold 1 µs to 60 s with three significant figures.
const (
	shortest = 1
	longest  = int64(60 * time.Second / time.Microsecond)
	figures  = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, figures) }

// Merge adds the tallies up.
func Merge(tallies ...Tally) (Tally, error) {
	sum := Tally{Errors: map[string]int64{}, Replies: map[string]int64{}}
	latency := newHistogram()
	for i, t := range tallies {
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
		if len(t.Latency) == 0 {
			continue
		}
		h, err := hdrhistogram.Decode(t.Latency)
		if err != nil {
			return Tally{}, fmt.Errorf("histogram of load program %d: %w", i, err)
		}
		if dropped := latency.Merge(h); dropped > 0 {
			return Tally{}, fmt.Errorf("histogram of load program %d: %d values out of range", i, dropped)
		}
	}
	var err error
	if sum.Latency, err = latency.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err != nil {
		return Tally{}, fmt.Errorf("encode the merged histogram: %w", err)
	}
	return sum, nil
}

// Quantiles are the latencies of all calls, failed ones too, in milliseconds.
type Quantiles struct{ P50, P99, Max float64 }

// Quantiles reads the histogram; all are 0 when no call was counted.
func (t Tally) Quantiles() (Quantiles, error) {
	if len(t.Latency) == 0 {
		return Quantiles{}, nil
	}
	h, err := hdrhistogram.Decode(t.Latency)
	if err != nil {
		return Quantiles{}, fmt.Errorf("latency histogram: %w", err)
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Quantiles{P50: ms(h.ValueAtQuantile(50)), P99: ms(h.ValueAtQuantile(99)), Max: ms(h.Max())}, nil
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
