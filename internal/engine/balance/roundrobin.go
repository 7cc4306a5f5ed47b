package balance

import "sync/atomic"

// RoundRobin gives each endpoint its turn, and heavier ones more of them.
type RoundRobin struct {
	entries []Entry
	turn    *atomic.Uint64
	stride  *stride // nil if all weights are equal
}

// NewRoundRobin returns a picker over entries, which must not be changed
// afterwards. turn is shared by the pickers that follow each other, so that a
// new one goes on where the last one was.
func NewRoundRobin(entries []Entry, turn *atomic.Uint64) *RoundRobin {
	return &RoundRobin{entries: entries, turn: turn, stride: newStride(entries)}
}

// Pick returns the endpoint whose turn it is. Those that it passes over lose
// their turn, so that nobody inherits it.
func (p *RoundRobin) Pick(r Request) int {
	if len(p.entries) == 0 {
		return -1
	}
	first := p.next()
	if r.of(&p.entries[first]) == fresh {
		return first
	}
	want, found := r.best(p.entries, first)
	if found < 0 {
		return -1
	}
	// What is wanted may be so little or so light that its turn is far away, or
	// others take it; found is for that.
	k := first
	for range len(p.entries) + 256 {
		if r.of(&p.entries[k]) <= want {
			return k
		}
		k = p.next()
	}
	return found
}

// next takes a turn.
func (p *RoundRobin) next() int {
	if p.stride == nil {
		return int(p.turn.Add(1) % uint64(len(p.entries)))
	}
	for {
		if k := p.stride.at(p.turn.Add(1)); k >= 0 {
			return k
		}
	}
}

// Fresh reports whether Pick would find an endpoint that r does not avoid.
func (p *RoundRobin) Fresh(r Request) bool { return r.isFresh(p.entries) }
