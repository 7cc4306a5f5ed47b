package balance

import "math/bits"

// leastRequest compares a few random endpoints and picks the one with the
// fewest attempts in flight per weight ("The power of two choices in randomized
// load balancing", Mitzenmacher 2001; gRFC A48).
//
// Endpoints are drawn by weight and compared by inFlight/weight, of equals the
// first drawn. Comparing (inFlight+1)/weight instead would give a quiet
// fleet's lightest endpoints nothing; like this they have their share at any
// load.
type leastRequest struct {
	sampler

	choices int
}

// NewLeastRequest returns a picker that compares choices endpoints, 2 to 10.
// It keeps entries, which must not be changed afterwards.
func NewLeastRequest(entries []Entry, choices int) Picker {
	return &leastRequest{newSampler(entries), min(max(choices, 2), maxChoices)}
}

func (p *leastRequest) Pick(r Request) int {
	var chosen [maxChoices]int
	n := p.choose(&r, chosen[:p.choices])
	if n == 0 {
		return -1
	}
	best := chosen[0]
	for _, k := range chosen[1:n] {
		if lighter(p.entries[k], p.entries[best]) {
			best = k
		}
	}
	return best
}

// lighter reports whether a has fewer attempts in flight per weight than b.
func lighter(a, b Entry) bool {
	aHi, aLo := bits.Mul64(uint64(max(a.InFlight(), 0)), uint64(b.weight()))
	bHi, bLo := bits.Mul64(uint64(max(b.InFlight(), 0)), uint64(a.weight()))
	return aHi < bHi || aHi == bHi && aLo < bLo
}

func (p *leastRequest) Fresh(r Request) bool { return r.isFresh(p.entries) }
