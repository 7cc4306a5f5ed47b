package balance

import (
	"math"
	"time"
)

// A Ramp is slow start: an endpoint that is new or has healed gets its full
// weight only after Window, from Floor on. The zero Ramp is no slow start.
//
// The share of the full weight at age t is
//
//	Floor + (100 - Floor) × (t / Window)^(1/Aggression)  percent,
//
// in ten steps, so that the pickers are rebuilt ten times and not all the
// time. Aggression is Envoy's: 1, or 0, is a straight line, above 1 rises
// faster in the beginning, below 1 later. Envoy cuts the curve off at the
// floor (slow_start_config.min_weight_percent); here it starts there, so that
// every step is a gain. The ten steps are Armeria's.
type Ramp struct {
	Window     time.Duration
	Floor      int // percent, at least 1
	Aggression float64
}

const rampSteps = 10

// Weight returns the weight at an age of an endpoint whose full weight is
// full, in hundredths, so that small weights have steps too: the endpoints
// that it is balanced with have to go through Weight as well. It stays until
// the age of next, which is 0 if it is the full one.
func (r Ramp) Weight(full uint32, age time.Duration) (weight uint32, next time.Duration) {
	percent, next := r.percent(age)
	return uint32(min(uint64(max(full, 1))*uint64(percent), math.MaxUint32)), next
}

func (r Ramp) percent(age time.Duration) (percent int, next time.Duration) {
	const full = 100
	if r.Window <= 0 || age >= r.Window {
		return full, 0
	}
	floor := min(max(r.Floor, 1), full)
	step := r.Window / rampSteps
	if step <= 0 {
		return floor, r.Window
	}
	passed := min(int(max(age, 0)/step), rampSteps-1)
	next = step * time.Duration(passed+1)
	if passed == rampSteps-1 {
		next = r.Window
	}
	curve := float64(passed) / rampSteps
	if r.Aggression > 0 {
		curve = math.Pow(curve, 1/r.Aggression)
	}
	return floor + int(float64(full-floor)*curve), next
}
