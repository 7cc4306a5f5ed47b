package balance

import (
	"cmp"
	"slices"
)

// gone marks an entry that the next picker does not have.
const gone = ^uint32(0)

// follow returns the ring of after, given that r is that of before. Where
// little changed and what stayed is in the same order, it merges instead of
// sorting.
func (r *ring) follow(before, after []Entry) ring {
	moved, added := compare(before, after)
	if len(added) > len(after)/8 {
		return newRing(after)
	}
	if len(added) == 0 && len(before) == len(after) {
		return *r
	}
	fresh := make([]mark, 0, len(added)*perEntry)
	for _, k := range added {
		for from, v := source(after[k].ID), 0; v < perEntry; v++ {
			fresh = append(fresh, mark{point{from.point(), k}, after[k].ID})
		}
	}
	slices.SortFunc(fresh, mark.compare)
	next := emptyRing(len(after))
	n := 0
	for _, p := range r.points {
		owner := moved[p.owner]
		if owner == gone {
			continue
		}
		for len(fresh) > 0 && (fresh[0].at < p.at || fresh[0].at == p.at && fresh[0].id < after[owner].ID) {
			next.points[n] = fresh[0].point
			fresh = fresh[1:]
			n++
		}
		next.points[n] = point{p.at, owner}
		n++
	}
	for _, m := range fresh {
		next.points[n] = m.point
		n++
	}
	next.reindex()
	return next
}

// A mark is a point that is new on the ring.
type mark struct {
	point

	id uint64
}

func (m mark) compare(n mark) int {
	if c := cmp.Compare(m.at, n.at); c != 0 {
		return c
	}
	return cmp.Compare(m.id, n.id)
}

// reindex sets the index from the points.
func (r *ring) reindex() {
	b := 0
	for i, p := range r.points {
		for ; b <= int(p.at>>r.shift); b++ {
			r.index[b] = uint32(i)
		}
	}
	for ; b < len(r.index); b++ {
		r.index[b] = uint32(len(r.points))
	}
}

// compare returns where each entry of before is in after, and which of after
// are new. It finds what kept its order around single ones that left, came or
// were replaced; the rest counts as gone and new again.
func compare(before, after []Entry) (moved, added []uint32) {
	moved = make([]uint32, len(before))
	j := 0
	for i := range before {
		moved[i] = gone
		if j+1 < len(after) && before[i].ID != after[j].ID && before[i].ID == after[j+1].ID {
			added = append(added, uint32(j))
			j++
		}
		switch {
		case j < len(after) && before[i].ID == after[j].ID:
			moved[i] = uint32(j)
			j++
		case i+1 < len(before) && j+1 < len(after) && before[i+1].ID == after[j+1].ID:
			added = append(added, uint32(j))
			j++
		}
	}
	for ; j < len(after); j++ {
		added = append(added, uint32(j))
	}
	return moved, added
}
