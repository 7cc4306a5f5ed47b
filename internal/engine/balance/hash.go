package balance

import "math"

// HashConfig is how Hash works.
type HashConfig struct {
	// MaxLoadPercent bounds an endpoint's attempts in flight relative to the
	// mean, as 125 for 25 % above it. 0 is no bound. A bound needs Fleet set
	// on every endpoint.
	MaxLoadPercent int
}

type hash struct {
	entries []Entry
}

// NewHash returns a picker that sends a key to the same endpoint for as long
// as that is usable.
func NewHash(entries []Entry, _ HashConfig, _ Picker) Picker { return &hash{entries} }

func (p *hash) Pick(r Request) int {
	want, _ := r.best(p.entries, 0)
	if want == lost {
		return -1
	}
	key := r.Key
	if !r.Keyed {
		key = r.Random
	}
	best, at := math.Inf(-1), -1
	for k, e := range p.entries {
		if r.of(e.Endpoint) > want {
			continue
		}
		score := math.Log(float64(mix(key^mix(e.ID))>>11|1)/(1<<53)) / float64(e.weight())
		if score > best {
			best, at = score, k
		}
	}
	return at
}

func (p *hash) Fresh(r Request) bool { return r.isFresh(p.entries) }
