package balance

import "math/bits"

// perEntry is how many points an entry has on the ring.
const perEntry = 16

// A ring holds the points of all endpoints in order. It depends on their IDs
// alone, so that all clients that know the same endpoints have the same ring.
type ring struct {
	points []point
	index  []uint32 // of the first point at or after the start of each bucket
	shift  int      // a point's bucket is what is left of it after the shift
}

// A point is a place on the ring and the entry that it belongs to.
type point struct{ at, owner uint32 }

// point returns the next point of an endpoint, or position of a key.
func (s *source) point() uint32 { return uint32(s.next() >> 32) }

// emptyRing returns a ring with room for the points of so many entries.
func emptyRing(entries int) ring {
	n := entries * perEntry
	width := bits.Len(uint(n / 2)) // a bucket has one or two points
	return ring{points: make([]point, n), index: make([]uint32, 1<<width+1), shift: 32 - width}
}

// newRing puts entries on a ring. Points are uniform, so that one pass over
// buckets of one or two puts them in order.
func newRing(entries []Entry) ring {
	r := emptyRing(len(entries))
	for _, e := range entries {
		for from, v := source(e.ID), 0; v < perEntry; v++ {
			r.index[from.point()>>r.shift]++
		}
	}
	sum := uint32(0)
	for b, count := range r.index {
		sum += count
		r.index[b] = sum
	}
	// index now holds the end of each bucket. Filled from there, it ends up as
	// the start.
	for k := range entries {
		for from, v := source(entries[k].ID), 0; v < perEntry; v++ {
			at := from.point()
			end := &r.index[at>>r.shift]
			*end--
			r.points[*end] = point{at, uint32(k)}
		}
	}
	for b := range len(r.index) - 1 {
		r.sort(entries, int(r.index[b]), int(r.index[b+1]))
	}
	return r
}

// sort orders the points from a to b by insertion: they are few. Of equal
// points that of the lower ID is first.
func (r *ring) sort(entries []Entry, a, b int) {
	for i := a + 1; i < b; i++ {
		p := r.points[i]
		j := i
		for ; j > a; j-- {
			before := r.points[j-1]
			if before.at < p.at || before.at == p.at && entries[before.owner].ID <= entries[p.owner].ID {
				break
			}
			r.points[j] = before
		}
		r.points[j] = p
	}
}

// A probe is a position of a key, and the first point at or after it.
type probe struct {
	pos  uint32
	next int
}

// probe finds the positions of a key. Each step is taken for all of them
// before the next one: so the memory of a large ring is waited for twice, and
// not for every position.
func (r *ring) probe(key uint64, found *[probes]probe) {
	from := source(key)
	for i := range found {
		pos := from.point()
		found[i] = probe{pos, int(r.index[pos>>r.shift])}
	}
	var near [probes]uint32
	for i := range found {
		near[i] = r.points[r.wrap(found[i].next)].at
	}
	for i := range found {
		p := &found[i]
		for at := near[i]; at < p.pos && p.next < len(r.points); {
			if p.next++; p.next < len(r.points) {
				at = r.points[p.next].at
			}
		}
		p.next = r.wrap(p.next)
	}
}

func (r *ring) wrap(i int) int {
	if i == len(r.points) {
		return 0
	}
	return i
}
