package balance

import "math"

// A stride is the weighted sequence of gRFC A58 ("static stride"). Slot i of n
// has its turn in round g if (w·g + offset) mod max, which w moves on round by
// round, has just turned over; so in any max rounds it has exactly w turns,
// evenly spread, and the position is one shared counter.
//
// A58 caps the weights at ten times their mean, to bound how many turns are
// skipped. Here an endpoint above twice the mean has several slots instead, so
// that shares are exact and at most about every other turn is skipped.
type stride struct {
	slots []slot
	max   uint64
}

type slot struct {
	entry  uint32
	weight uint32
	offset uint64
}

// newStride returns nil if all weights are equal.
func newStride(entries []Entry) *stride {
	var sum uint64
	least, most := uint32(math.MaxUint32), uint32(0)
	for _, e := range entries {
		w := e.weight()
		sum += uint64(w)
		least, most = min(least, w), max(most, w)
	}
	if least >= most {
		return nil
	}
	n := uint64(len(entries))
	limit := uint32(min((2*sum+n-1)/n, uint64(most)))
	s := &stride{slots: make([]slot, 0, len(entries)+len(entries)/2)}
	for i, e := range entries {
		w := e.weight()
		for parts := (w-1)/limit + 1; parts > 0; parts-- {
			part := w / parts
			w -= part
			s.max = max(s.max, uint64(part))
			s.slots = append(s.slots, slot{entry: uint32(i), weight: part})
		}
	}
	s.spread(len(entries))
	return s
}

// at returns the entry whose turn it is, or -1 if the turn is skipped.
func (s *stride) at(turn uint64) int {
	n := uint64(len(s.slots))
	round := turn / n
	slot := &s.slots[turn-round*n]
	w := uint64(slot.weight)
	if (w*(round%s.max)+slot.offset)%s.max < s.max-w {
		return -1
	}
	return int(slot.entry)
}

// spread sets the offsets, so that slots of one weight do not all have their
// turns in the same rounds, and moves the slots of one endpoint apart.
func (s *stride) spread(entries int) {
	if len(s.slots) > entries {
		apart := make([]slot, len(s.slots))
		step := coprime(uint64(len(s.slots)))
		at := uint64(0)
		for _, slot := range s.slots {
			apart[at] = slot
			if at += step; at >= uint64(len(s.slots)) {
				at -= uint64(len(s.slots))
			}
		}
		s.slots = apart
	}
	for i := range s.slots {
		// A multiple of the golden ratio modulo 1, as a share of max.
		part := uint64(i) * 0x9e3779b97f4a7c15 >> 32
		s.slots[i].offset = part * s.max >> 32
	}
}

// coprime returns a number below n, near its golden section, that shares no
// factor with n: its multiples modulo n visit all numbers below n, neighbours
// far apart.
func coprime(n uint64) uint64 {
	step := max(uint64(float64(n)*0.618), 1)
	for gcd(step, n) != 1 {
		step++
	}
	return step
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
