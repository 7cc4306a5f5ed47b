// Package balance decides which endpoint an attempt goes to.
//
// A picker is an immutable view of endpoints and their weights. What changes
// faster than the view (an endpoint just lost, what is in flight, how long
// answers take) lives in atomics of the endpoints, which outlive pickers, so
// that a pick takes no lock and allocates nothing.
//
// Every picker prefers, in this order: endpoints that are in and not avoided
// by the request, then those that are in, then those that are out and not
// avoided, then those that are out; it never picks a lost one. Out comes after
// avoided because it rests on the evidence of many calls, and avoided on that
// of one.
package balance

import "slices"

// An Entry is one endpoint of a picker.
type Entry struct {
	*Endpoint

	Weight uint32 // its share relative to the others'; 0 counts as 1
	Group  uint8  // of endpoints that fail together, below 64; 0 is none
}

func (e Entry) weight() uint32 { return max(e.Weight, 1) }

// A Request is what a pick depends on besides the endpoints.
type Request struct {
	// Avoid are the endpoints that must not be picked while another may be:
	// those that failed this call or still work on it.
	Avoid []*Endpoint
	// Shut are the groups whose endpoints count as out for this request: a bit
	// for each, the lowest for the endpoints of no group.
	Shut uint64
	// Now is the time in nanoseconds since a moment that stays the same.
	// Only PeakEWMA needs it.
	Now int64
	// Random is uniformly random. All but RoundRobin need it.
	Random uint64
	// Key is what Hash finds the endpoint by, if Keyed.
	Key   uint64
	Keyed bool
}

// A Picker chooses among the entries it was made of. Its methods may be called
// from any goroutine.
type Picker interface {
	// Pick returns the index of an entry, or -1 if every endpoint is lost.
	Pick(r Request) int
	// Fresh reports whether Pick would find an endpoint that r does not avoid.
	Fresh(r Request) bool
}

// A rank orders endpoints by how much a request prefers them.
type rank int

const (
	fresh   rank = iota // in and not avoided
	avoided             // in
	outside             // out and not avoided
	both                // out and avoided
	lost                // never picked
)

// An Ordered picker has for each key an order of its own of the entries.
type Ordered interface {
	Picker
	// Before reports whether entry a comes before entry b in the order of r's
	// key, whatever the state of the two. If b is what Pick returns for r, and a
	// is out, it says whether r would get a if a were in.
	Before(r Request, a, b int) bool
}

// of returns how much r prefers e.
func (r *Request) of(e *Entry) rank {
	k := lost
	switch e.flags.Load() {
	case 0:
		k = fresh
		if r.Shut != 0 && r.Shut>>e.Group&1 != 0 {
			k = outside
		}
	case flagOut:
		k = outside
	}
	if k != lost && len(r.Avoid) > 0 && slices.Contains(r.Avoid, e.Endpoint) {
		k++
	}
	return k
}

// best returns the rank of the entries that r prefers, and the first of them
// from start on. It looks no further than the first fresh one.
func (r *Request) best(entries []Entry, start int) (rank, int) {
	found, at := lost, -1
	for i := range entries {
		k := start + i
		if k >= len(entries) {
			k -= len(entries)
		}
		if have := r.of(&entries[k]); have < found {
			found, at = have, k
			if have == fresh {
				break
			}
		}
	}
	return found, at
}

// isFresh reports whether one of the entries that r prefers is not avoided.
func (r *Request) isFresh(entries []Entry) bool {
	found, _ := r.best(entries, 0)
	return found == fresh || found == outside
}
