package ejection

import (
	"math"
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// A peer is compared with a sample of the fleet at most this large: a median of
// 255 is as good as one of 10,000, and a hundred times as cheap.
const sampleSize = 255

// fewest endpoints with enough traffic, oneself among them, that can be
// compared.
const fewest = 3

// usual is what is usual among the endpoints that are in, over the same
// stretch of time as that of the endpoint which is compared with it.
type usual struct {
	rated, timed int     // how many endpoints had enough of it
	rate         float32 // of failures, of the better three quarters
	slowness     float32 // of the better three quarters
	mean         float32 // of the logarithms of latencies: the median
}

// A spectrum is a sample of the fleet, and room for it.
type spectrum struct {
	rates, slows, means [len(spans)][]float32
	streaks             []float32
	failing             float64 // which part of the last results of each failed
}

// take returns what is usual over each of the spans, and how many failures in a
// row are, of endpoints with enough results.
func (s *spectrum) take(records []*Record, random uint64, p policy.Ejection) (u [len(spans)]usual, streak uint32) {
	s.streaks = s.streaks[:0]
	well, failed := 0, 0
	for i := range spans {
		s.rates[i], s.slows[i], s.means[i] = s.rates[i][:0], s.slows[i][:0], s.means[i][:0]
	}
	sample(records, random, func(r *Record) {
		streak := r.streak.Load()
		s.streaks = append(s.streaks, float32(streak))
		switch {
		case streak == 0:
			well++
		case int(streak) < p.ConsecutiveFailures:
			failed++
		}
		sums := r.sums()
		if int(sums[len(sums)-1].results) < p.MinRequests {
			return
		}
		for i := range sums {
			if b := &sums[i]; b.results > 0 {
				s.rates[i] = append(s.rates[i], b.rate())
			}
			if b := &sums[i]; b.timed > 0 {
				s.means[i] = append(s.means[i], b.mean())
				s.slows[i] = append(s.slows[i], b.slowness())
			}
		}
	})
	for i := range spans {
		u[i] = usual{
			rated: len(s.rates[i]), rate: better(s.rates[i]), slowness: better(s.slows[i]),
			timed: len(s.means[i]), mean: quantile(s.means[i], 2),
		}
	}
	s.failing = float64(failed) / float64(max(well+failed, 1))
	return u, uint32(quantile(s.streaks, 4))
}

// sample visits endpoints that are in.
func sample(records []*Record, random uint64, visit func(*Record)) {
	n := len(records)
	size := min(n, sampleSize)
	if size == 0 {
		return
	}
	start := int(random % uint64(n))
	for i := range size {
		k := start + i*n/size
		if k >= n {
			k -= n
		}
		if r := records[k]; !r.state.out() {
			visit(r)
		}
	}
}

// quantile returns the 1/q quantile of s, the lower of two; it sorts s.
func quantile(s []float32, q int) float32 {
	if len(s) == 0 {
		return 0
	}
	slices.Sort(s)
	return s[(len(s)-1)/q]
}

// better returns the mean of the lower three quarters of s; it sorts s. The
// worst quarter may be what is to be found.
func better(s []float32) float32 {
	slices.Sort(s)
	s = s[:max(len(s)*3/4, min(len(s), 1))]
	sum := float32(0)
	for _, x := range s {
		sum += x
	}
	return sum / float32(max(len(s), 1))
}

// A past is what the whole fleet did over the last while. Single windows are
// short: whether chance can have done something is asked of the past.
type past struct {
	results, failed, timed, slow float64
}

// pastHalf is the half-life of the past.
const pastHalf = 10 * time.Second

func (p *past) age(passed time.Duration) {
	keep := math.Exp2(-passed.Seconds() / pastHalf.Seconds())
	p.results *= keep
	p.failed *= keep
	p.timed *= keep
	p.slow *= keep
}

// observe adds what one endpoint did in one tick.
func (p *past) observe(b bucket) {
	p.results += float64(b.results)
	p.failed += float64(b.failed)
	p.timed += float64(b.timed)
	p.slow += float64(b.slow)
}

// least is the rate of anything bad that a healthy fleet is taken to have.
const least = 0.002

// rate returns the rate of failures of the fleet without one endpoint's own.
func (p *past) rate(own *bucket) float64 {
	return without(p.failed, p.results, own.failed, own.results)
}

// slowness returns which part of its latencies was slow.
func (p *past) slowness(own *bucket) float64 {
	return without(p.slow, p.timed, own.slow, own.timed)
}

func without(bad, all float64, ownBad, own uint32) float64 {
	bad, all = max(bad-float64(ownBad), 0), max(all-float64(own), 0)
	return max(least, (bad+0.5)/(all+50))
}
