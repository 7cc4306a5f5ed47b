package protocol_test

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// Attempts of several programs add up, and each beat counts in one span of time
// only.
func TestStreamsBetween(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var parts []protocol.Tally
	all := map[string][]int64{"a": make([]int64, 50), "b": make([]int64, 50)}
	for range 3 {
		part := protocol.Tally{Streams: protocol.Streams{}}
		for address := range all {
			part.Streams[address] = make([]int64, rnd.IntN(51))
			for i := range part.Streams[address] {
				n := rnd.Int64N(100)
				part.Streams[address][i] += n
				all[address][i] += n
			}
		}
		parts = append(parts, part)
	}
	sum, err := protocol.Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		from := time.Duration(rnd.Int64N(int64(5 * time.Second)))
		to := from + time.Duration(rnd.Int64N(int64(2*time.Second)))
		want := map[string]int64{}
		for address, beats := range all {
			for i, n := range beats {
				if begin := time.Duration(i) * protocol.Beat; begin >= from && begin < to {
					want[address] += n
				}
			}
		}
		got := sum.Streams.Between(from, to)
		for address := range all {
			if got[address] != want[address] {
				t.Errorf("between %v and %v: %v, want %v", from, to, got, want)
			}
		}
	}
	if got := sum.Streams.Between(time.Hour, 2*time.Hour); !maps.Equal(got, map[string]int64{"a": 0, "b": 0}) && len(got) != 0 {
		t.Errorf("after the end: %v", got)
	}
}

// What happens outside of the measured part does not count.
func TestTrafficOfTheMeasuredPart(t *testing.T) {
	now := protocol.Now()
	for name, test := range map[string]struct {
		run    protocol.Go
		counts bool
	}{
		"before": {protocol.Go{From: now + 1e12, Until: now + 2e12}, false},
		"in":     {protocol.Go{From: now, Until: now + 1e12}, true},
		"after":  {protocol.Go{From: 1, Until: 2}, false},
	} {
		test.run.Slice = time.Second
		r := protocol.NewRecorder(test.run, time.Second)
		r.Stream("a")
		r.Stream("a")
		r.Ended("a", "inventory-1")
		tally, err := r.Tally()
		if err != nil {
			t.Fatal(err)
		}
		var streams int64
		for _, n := range tally.Streams["a"] {
			streams += n
		}
		if (streams == 2) != test.counts || (len(tally.Closed) == 1) != test.counts {
			t.Errorf("%s: %d attempts and %d ends of connections", name, streams, len(tally.Closed))
		}
	}
}
