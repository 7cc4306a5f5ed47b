package protocol

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency histograms hold 1 µs to 60 s with three significant figures.
const (
	shortest = 1
	longest  = int64(60 * time.Second / time.Microsecond)
	figures  = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, figures) }

// Histogram holds latencies in microseconds, compressed.
type Histogram []byte

// record adds a latency. It is clamped, so it cannot be out of range.
func record(h *hdrhistogram.Histogram, took time.Duration) {
	_ = h.RecordValue(min(max(took.Microseconds(), shortest), longest))
}

// compress encodes the histogram; one that holds nothing is nil.
func compress(h *hdrhistogram.Histogram) (Histogram, error) {
	if h.TotalCount() == 0 {
		return nil, nil
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode the latency histogram: %w", err)
	}
	return encoded, nil
}

// mergeHistograms adds histograms up; the empty ones hold nothing.
func mergeHistograms(parts []Histogram) (Histogram, error) {
	sum := newHistogram()
	for i, part := range parts {
		if len(part) == 0 {
			continue
		}
		h, err := hdrhistogram.Decode(part)
		if err != nil {
			return nil, fmt.Errorf("histogram of load program %d: %w", i, err)
		}
		if dropped := sum.Merge(h); dropped > 0 {
			return nil, fmt.Errorf("histogram of load program %d: %d values out of range", i, dropped)
		}
	}
	return compress(sum)
}

// Quantiles are latencies in milliseconds.
type Quantiles struct{ P50, P99, Max float64 }

// Quantiles reads the histogram; all are 0 when it holds nothing.
func (h Histogram) Quantiles() (Quantiles, error) {
	if len(h) == 0 {
		return Quantiles{}, nil
	}
	decoded, err := hdrhistogram.Decode(h)
	if err != nil {
		return Quantiles{}, fmt.Errorf("latency histogram: %w", err)
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Quantiles{P50: ms(decoded.ValueAtQuantile(50)), P99: ms(decoded.ValueAtQuantile(99)), Max: ms(decoded.Max())}, nil
}
