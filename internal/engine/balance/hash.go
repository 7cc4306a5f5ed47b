package balance

import (
	"math"
	"sync/atomic"
)

// HashConfig is how Hash works.
type HashConfig struct {
	// MaxLoadPercent bounds an endpoint's attempts in flight relative to the
	// mean, as 125 for 25 % above it (Mirrokni, Thorup and Zadimoghaddam,
	// "Consistent Hashing with Bounded Loads", 2018). 0 is no bound. A bound
	// needs the same Fleet in every endpoint.
	MaxLoadPercent int
}

// probes is how many positions on the ring a key has.
const probes = 8

// hash is multi-probe consistent hashing (Appleton and O'Reilly, 2015): a key
// has several positions on the ring, and belongs to the endpoint that has a
// point nearest after one of them, the distance divided by its weight.
//
// So every key has an order of endpoints of its own, by distance, and what is
// lost, out, avoided or full is walked over in that order: its keys scatter
// over the fleet and come back later, and no other key moves. The distance of
// an endpoint depends on the endpoint and the key alone, so that in a changed
// fleet only the keys of those that left move, or those that those that came
// win. docs/decisions/009-consistent-hash.md has the figures.
type hash struct {
	ring

	entries []Entry
	// far[k] is how much farther than to the heaviest the way to entry k is,
	// nil if all weights are equal.
	far []float64
	// fleet is nil if the load is not bounded.
	fleet   *Fleet
	maxLoad float64
	// capacity is the weight of the endpoints that are in, at the time when
	// fleet.changes was seen.
	capacity atomic.Uint64
	seen     atomic.Uint64
}

// NewHash returns a picker that sends a key to the same endpoint for as long
// as that is usable. entries are all endpoints, those that are lost or out as
// well: it is by them that other keys stay where they are. A request without
// a key gets a random endpoint. It keeps entries, which must not be changed
// afterwards. prev is the picker before, of any kind, or nil; with the entries
// that stayed in the same order, the new one costs less.
func NewHash(entries []Entry, cfg HashConfig, prev Picker) Ordered {
	p := &hash{entries: entries}
	if before, ok := prev.(*hash); ok {
		p.ring = before.follow(before.entries, entries)
	} else {
		p.ring = newRing(entries)
	}
	p.far = distances(entries)
	if len(entries) > 0 && entries[0].Fleet != nil && cfg.MaxLoadPercent > 0 {
		p.fleet, p.maxLoad = entries[0].Fleet, float64(max(cfg.MaxLoadPercent, 100))/100
		p.measure()
	}
	return p
}

func distances(entries []Entry) []float64 {
	most, even := uint32(0), true
	for _, e := range entries {
		most = max(most, e.weight())
		even = even && e.weight() == entries[0].weight()
	}
	if even {
		return nil
	}
	far := make([]float64, len(entries))
	for i, e := range entries {
		far[i] = float64(most) / float64(e.weight())
	}
	return far
}

// patience is how many points are looked at before it is asked whether there
// is anything to find.
const patience = 512

func (p *hash) Pick(r Request) int {
	if len(p.entries) == 0 {
		return -1
	}
	s := search{hash: p, r: &r, most: p.bound()}
	p.probe(r.place(), &s.from)
	if k := s.home(); s.admits(&p.entries[k], fresh) {
		return k
	}
	if k, ok := s.nearest(fresh, patience); ok {
		return k
	}
	want, found := r.best(p.entries, 0)
	if found < 0 {
		return -1
	}
	s.most = math.Inf(1)
	if k, _ := s.nearest(want, probes*len(p.points)); k >= 0 {
		return k
	}
	return found
}

// place returns where on the ring the way of r begins.
func (r *Request) place() uint64 {
	if !r.Keyed {
		return r.Random
	}
	return mix(r.Key)
}

// Before compares distances.
func (p *hash) Before(r Request, a, b int) bool {
	return p.distance(r.place(), a) < p.distance(r.place(), b)
}

// distance returns how far it is from a key to entry k.
func (p *hash) distance(key uint64, k int) float64 {
	var at [perEntry]uint32
	own := source(p.entries[k].ID)
	for i := range at {
		at[i] = own.point()
	}
	least := ^uint32(0)
	from := source(key)
	for range probes {
		pos := from.point()
		for _, point := range at {
			least = min(least, point-pos)
		}
	}
	if p.far == nil {
		return float64(least)
	}
	return float64(least) * p.far[k]
}

// A search is one pick on its way around the ring.
type search struct {
	*hash

	r    *Request
	from [probes]probe
	most float64 // attempts that an endpoint may hold per weight
}

// home returns the entry nearest to the key, whatever its state.
func (s *search) home() int {
	nearest, least := uint32(0), math.Inf(1)
	for _, from := range s.from {
		p := s.points[from.next]
		if d := s.way(from.pos, p); d < least {
			nearest, least = p.owner, d
		}
	}
	if s.far == nil {
		return int(nearest)
	}
	for _, from := range s.from { // a heavy one may be nearer behind a light one
		for i := s.wrap(from.next + 1); ; i = s.wrap(i + 1) {
			p := s.points[i]
			if float64(p.at-from.pos) >= least {
				break
			}
			if d := s.way(from.pos, p); d < least {
				nearest, least = p.owner, d
			}
		}
	}
	return int(nearest)
}

// way returns how far it is from a position to a point.
func (p *hash) way(pos uint32, to point) float64 {
	d := float64(to.at - pos)
	if p.far != nil {
		d *= p.far[to.owner]
	}
	return d
}

// nearest returns the endpoint nearest to the key of those that r prefers as
// much as want, -1 if there is none. It gives up, not ok, after steps points.
func (s *search) nearest(want rank, steps int) (nearest int, ok bool) {
	nearest = -1
	least := math.Inf(1)
	for _, from := range s.from {
		for i := from.next; ; i = s.wrap(i + 1) {
			d := float64(s.points[i].at - from.pos)
			if d >= least {
				break
			}
			if steps--; steps < 0 {
				return nearest, false
			}
			k := s.points[i].owner
			if s.far != nil {
				d *= s.far[k]
			}
			if d < least && s.admits(&s.entries[k], want) {
				nearest, least = int(k), d
			}
		}
	}
	return nearest, true
}

func (s *search) admits(e *Entry, want rank) bool {
	return s.r.of(e) <= want && (s.most == math.Inf(1) || float64(e.InFlight()) < s.most*float64(e.weight()))
}

// bound returns how many attempts an endpoint may hold per weight before the
// one that is to be picked: the mean of all that are in, that one included,
// times maxLoad.
func (p *hash) bound() float64 {
	if p.fleet == nil {
		return math.Inf(1)
	}
	if p.seen.Load() != p.fleet.changes.Load() {
		p.measure()
	}
	return p.maxLoad * float64(max(p.fleet.inFlight.Load(), 0)+1) / float64(max(p.capacity.Load(), 1))
}

// measure adds up the weights of the endpoints that are in.
func (p *hash) measure() {
	seen := p.fleet.changes.Load()
	sum := uint64(0)
	for _, e := range p.entries {
		if e.flags.Load() == 0 {
			sum += uint64(e.weight())
		}
	}
	p.capacity.Store(sum)
	p.seen.Store(seen)
}

func (p *hash) Fresh(r Request) bool { return r.isFresh(p.entries) }
