package balance

import "math/bits"

// points is how many points an endpoint has on the ring.
const points = 16

// A ring holds the points of all endpoints in order. It depends on their IDs
// alone, so that all clients that know the same endpoints have the same ring.
type ring struct {
	at    []uint32 // the points
	owner []uint32 // the entry that each belongs to
	index []uint32 // of the first point at or after the start of each bucket
	shift int      // a point's bucket is what is left of it after the shift
}

// point returns the next point of an endpoint, or position of a key.
func (s *source) point() uint32 { return uint32(s.next() >> 32) }

// emptyRing returns a ring with room for the points of so many entries.
func emptyRing(entries int) ring {
	n := entries * points
	width := bits.Len(uint(max(n-1, 1))) - 1
	return ring{
		at: make([]uint32, n), owner: make([]uint32, n),
		index: make([]uint32, 1<<width+1), shift: 32 - width,
	}
}

// newRing puts entries on a ring. Points are uniform, so that one pass over
// buckets of about two puts them in order.
func newRing(entries []Entry) ring {
	r := emptyRing(len(entries))
	for _, e := range entries {
		for from, v := source(e.ID), 0; v < points; v++ {
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
		for from, v := source(entries[k].ID), 0; v < points; v++ {
			at := from.point()
			end := &r.index[at>>r.shift]
			*end--
			r.at[*end], r.owner[*end] = at, uint32(k)
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
		at, owner := r.at[i], r.owner[i]
		j := i
		for ; j > a; j-- {
			before := r.at[j-1]
			if before < at || before == at && entries[r.owner[j-1]].ID <= entries[owner].ID {
				break
			}
			r.at[j], r.owner[j] = before, r.owner[j-1]
		}
		r.at[j], r.owner[j] = at, owner
	}
}

// successor returns the first point at or after pos.
func (r *ring) successor(pos uint32) int {
	i := int(r.index[pos>>r.shift])
	for i < len(r.at) && r.at[i] < pos {
		i++
	}
	return r.wrap(i)
}

func (r *ring) wrap(i int) int {
	if i == len(r.at) {
		return 0
	}
	return i
}
