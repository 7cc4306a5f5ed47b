// Command bench measures what Surefoot costs on the path of a call, beside
// bare grpc-go with round_robin in the same process and the same run:
//
//	go run ./bench
//
// The two arms take turns, so that a noisy neighbour disturbs both. What is
// printed is the median of the repetitions.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

func main() {
	repetitions := flag.Int("repetitions", 9, "how often each arm runs")
	span := flag.Duration("time", time.Second, "how long each run lasts")
	flag.Parse()
	if err := run(*repetitions, *span); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(repetitions int, span time.Duration) error {
	f, err := newFixture()
	if err != nil {
		return err
	}
	defer f.close()
	fmt.Printf("unary call, %d servers on loopback, caller deadline %v, attempt timeout on; median of %d interleaved runs of %v\n\n",
		servers, deadline, repetitions, span)
	fmt.Printf("%-8s  %12s  %12s  %7s  %9s  %12s  %12s  %6s\n", "callers", "bare calls/s", "kit calls/s", "ratio", "CPU ratio", "bare allocs", "kit allocs", "more")
	for _, callers := range []int{1, 64} {
		var bare, kit []sample
		for i := range repetitions {
			arms := []func() error{
				func() error { s, err := load(f.bare, callers, span); bare = append(bare, s); return err },
				func() error { s, err := load(f.kit, callers, span); kit = append(kit, s); return err },
			}
			if i%2 == 1 {
				slices.Reverse(arms)
			}
			for _, arm := range arms {
				if err := arm(); err != nil {
					return err
				}
			}
		}
		var ratios, more, cpu []float64
		for i := range bare {
			ratios = append(ratios, kit[i].perSecond/bare[i].perSecond)
			cpu = append(cpu, float64(kit[i].cpu)/float64(bare[i].cpu))
			more = append(more, kit[i].allocs-bare[i].allocs)
		}
		fmt.Printf("%-8d  %12.0f  %12.0f  %7.3f  %9.3f  %12.1f  %12.1f  %+6.1f\n", callers,
			median(bare, sample.rate), median(kit, sample.rate), medianOf(ratios), medianOf(cpu),
			median(bare, sample.allocations), median(kit, sample.allocations), medianOf(more))
	}
	return nil
}

func (s sample) rate() float64        { return s.perSecond }
func (s sample) allocations() float64 { return s.allocs }

func median(samples []sample, value func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, value(s))
	}
	return medianOf(values)
}

func medianOf(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
