package load

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// An Arm is one client of those that are compared.
type Arm struct {
	Name   string
	Client inventoryv1.InventoryClient
}

// Compare runs the arms so many times each, from 1 and from 64 callers, and writes
// what each costs beside the first. They take turns, in an order that changes from
// one repetition to the next, so that a noisy neighbour disturbs all: many short runs
// say more than a few long ones. What is written is the median of the repetitions: of
// ratios, the median of those within each, and how far from it the true one may well be.
func Compare(w io.Writer, arms []Arm, repetitions int, span time.Duration) error {
	for _, a := range arms { // until all are connected and warm
		if _, err := Run(a.Client, 1, 200*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	fmt.Fprintf(w, "unary call, caller deadline %v; median of %d interleaved runs of %v\n\n", Deadline, repetitions, span)
	fmt.Fprintf(w, "%-8s%-12s%10s%8s%8s%10s%9s%7s\n", "callers", "client", "calls/s", "ratio", "±", "CPU ratio", "allocs", "more")
	for _, callers := range []int{1, 64} {
		samples := make([][]Sample, len(arms))
		for r := range repetitions {
			for i := range arms {
				k := (i + r) % len(arms)
				if r/len(arms)%2 == 1 { // the other way round
					k = len(arms) - 1 - k
				}
				s, err := Run(arms[k].Client, callers, span)
				if err != nil {
					return fmt.Errorf("%s: %w", arms[k].Name, err)
				}
				samples[k] = append(samples[k], s)
			}
		}
		for i, a := range arms {
			write(w, callers, a.Name, samples[i], samples[0])
		}
	}
	return nil
}

// write writes the line of one arm beside those of the first.
func write(w io.Writer, callers int, name string, s, first []Sample) {
	var rate, allocs, ratio, cpu, more []float64
	for i := range s {
		rate, allocs = append(rate, s[i].PerSecond), append(allocs, s[i].Allocs)
		ratio = append(ratio, s[i].PerSecond/first[i].PerSecond)
		cpu = append(cpu, float64(s[i].CPU)/float64(max(first[i].CPU, 1)))
		more = append(more, s[i].Allocs-first[i].Allocs)
	}
	fmt.Fprintf(w, "%-8d%-12s%10.0f%8.3f%8.3f%10.3f%9.1f%+7.1f\n", callers, name,
		Median(rate), Median(ratio), ErrorOfMedian(ratio), Median(cpu), Median(allocs), Median(more))
}

// ErrorOfMedian returns the standard error of the median of values, as the distance of
// their quartiles gives it for a normal distribution: 1.2533 s / sqrt(n), where s is
// that distance / 1.349. It is 0 for fewer than four values, which have no quartiles.
func ErrorOfMedian(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n < 4 {
		return 0
	}
	return 1.2533 * (values[3*n/4] - values[n/4]) / 1.349 / math.Sqrt(float64(n))
}

// Median returns the middle of values, 0 if there are none.
func Median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
