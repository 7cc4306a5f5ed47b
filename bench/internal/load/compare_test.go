package load

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTheMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 3}, 3}, {[]float64{1, 9, 2, 4}, 3}} {
		if got := Median(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}

// Medians of many samples lie about as far from the true one as it says.
func TestTheErrorOfAMedianIsWhatItSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const samples, size = 2000, 101
	var said, squares float64
	for range samples {
		values := make([]float64, size)
		for i := range values {
			values[i] = random.NormFloat64()
		}
		said += ErrorOfMedian(values) / samples
		squares += Median(values) * Median(values) / samples
	}
	if is := math.Sqrt(squares); said < 0.95*is || said > 1.05*is {
		t.Errorf("it says %v, and is %v", said, is)
	}
	if got := ErrorOfMedian([]float64{1, 2, 3}); got != 0 {
		t.Errorf("of three values: %v", got)
	}
}
