package report

import (
	"math"
	"strings"
)

// spark draws the share of bad calls over time in the given number of columns:
// a dot where there was none, else a bar. The bar grows with the square root of
// the share, so that a tenth of the calls can be seen beside all of them.
func spark(timeline []Slice, columns int) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, s := range rebin(timeline, columns) {
		switch {
		case s.Calls == 0:
			b.WriteRune(' ')
		case s.Bad == 0:
			b.WriteRune('·')
		default:
			level := math.Sqrt(float64(s.Bad)/float64(s.Calls)) * float64(len(bars))
			b.WriteRune(bars[min(int(level), len(bars)-1)])
		}
	}
	return b.String()
}

// rebin adds neighbouring slices up to the given number, or widens them when
// there are fewer.
func rebin(timeline []Slice, columns int) []Slice {
	out := make([]Slice, columns)
	if len(timeline) == 0 {
		return out
	}
	steps := max(len(timeline), columns)
	for i := range steps {
		from, to := timeline[i*len(timeline)/steps], &out[i*columns/steps]
		to.Calls += from.Calls
		to.Bad += from.Bad
	}
	return out
}

// axis is the heading of the sparks: where the fault struck.
func axis(s Scenario, columns int) string {
	if s.FaultAfter <= 0 || s.Seconds <= 0 {
		return "over time"
	}
	at := min(int(s.FaultAfter/s.Seconds*float64(columns)), columns-1)
	if label := "▾ fault"; at+7 <= columns {
		return strings.Repeat(" ", at) + label
	}
	return strings.Repeat(" ", at) + "▾"
}
