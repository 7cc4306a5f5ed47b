package balance

import (
	"math"
	"testing"
	"time"
)

func TestRamp(t *testing.T) {
	line := Ramp{Window: 10 * time.Second, Floor: 10}
	steep := Ramp{Window: 10 * time.Second, Floor: 10, Aggression: 2}
	flat := Ramp{Window: 10 * time.Second, Floor: 10, Aggression: .5}
	for _, c := range []struct {
		name   string
		ramp   Ramp
		full   uint32
		age    time.Duration
		weight uint32
		next   time.Duration
	}{
		{"off", Ramp{}, 3, 0, 300, 0},
		{"at birth", line, 1, 0, 10, time.Second},
		{"before birth, by another clock", line, 1, -time.Minute, 10, time.Second},
		{"half way", line, 2, 5 * time.Second, 110, 6 * time.Second},
		{"steep, a quarter of the window", steep, 1, 2500 * time.Millisecond, 50, 3 * time.Second},
		{"flat, half of the window", flat, 1, 5 * time.Second, 32, 6 * time.Second},
		{"the last step", line, 1, 9999 * time.Millisecond, 91, 10 * time.Second},
		{"done", line, 7, 10 * time.Second, 700, 0},
		{"no weight is one", line, 0, time.Minute, 100, 0},
		{"as heavy as can be", line, math.MaxUint32, time.Minute, math.MaxUint32, 0},
		{"no floor is the least", Ramp{Window: time.Second}, 1, 0, 1, 100 * time.Millisecond},
		{"a window of less than ten steps", Ramp{Window: 5, Floor: 20}, 1, 3, 20, 5},
	} {
		weight, next := c.ramp.Weight(c.full, c.age)
		if weight != c.weight || next != c.next {
			t.Errorf("%s: weight %d until %v, want %d until %v", c.name, weight, next, c.weight, c.next)
		}
	}
}

// From one step to the next the weight grows, it stays within a step, and
// there are at most ten steps.
func FuzzRamp(f *testing.F) {
	f.Add(int64(time.Minute), 10, 1.0)
	f.Add(int64(17), 0, 3.0)
	f.Fuzz(func(t *testing.T, window int64, floor int, aggression float64) {
		r := Ramp{time.Duration(window), floor, aggression}
		last, steps := uint32(0), 0
		for age := time.Duration(0); ; steps++ {
			weight, next := r.Weight(1000, age)
			if weight < last || weight > 100_000 {
				t.Fatalf("weight %d at %v after %d", weight, age, last)
			}
			if next == 0 {
				if weight != 100_000 || steps > rampSteps {
					t.Fatalf("weight %d after %d steps", weight, steps)
				}
				return
			}
			if still, _ := r.Weight(1000, next-1); next <= age || still != weight {
				t.Fatalf("weight %d just before %v, but %d at %v", still, next, weight, age)
			}
			age, last = next, weight
		}
	})
}
