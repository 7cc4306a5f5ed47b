// Package subset decides which endpoints of a large fleet a client connects to.
//
// It is Rocksteadier Subsetting (Ward, Bethea et al., "Reinventing Backend
// Subsetting at Google", ACM Queue 20(5), 2022) for endpoints without an
// index: clients come in lots, each lot has a ring of its own on which the
// endpoints lie in an order of its own, and the clients of a lot start at
// evenly spaced points of it and take the next endpoints clockwise. A client
// that knows no index is a lot of its own, which is rendezvous (random)
// subsetting, gRFC A68.
//
// An endpoint's place depends on nothing but its ID, so that one that comes or
// goes changes one connection of each client that takes it, and a client that
// comes or goes changes no other client's. docs/decisions/008-subsetting.md
// compares the algorithms.
package subset

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// An ID tells an endpoint from all others, the same for all clients.
type ID = uint64

// An Identity is who a client is among the clients of the same fleet. It must
// survive restarts of the client, or they change its subset.
type Identity struct {
	lot   uint64
	start uint64
}

// lotSize is how many clients share a ring.
const lotSize = 128

// Ordinal is the identity of a client that is the i-th of its kind, as a pod of
// a StatefulSet is. It makes the subsets of all clients together even.
func Ordinal(i uint64) Identity {
	// The bits reversed are van der Corput's sequence: any number of clients
	// from the first on are about evenly spaced, and a whole lot exactly.
	return Identity{lot: i / lotSize, start: bits.Reverse64(i % lotSize)}
}

// Hash is the identity of a client that knows no number of its own, of a hash
// of what is known of it, or at worst of a random number.
func Hash(h uint64) Identity { return Identity{lot: mix(h) | 1<<63} }

// Pick returns the indices of the size endpoints that the client connects to,
// in ascending order, or of all if size is not below their number or not
// positive.
func Pick(client Identity, endpoints []ID, size int) []int {
	n := len(endpoints)
	if size <= 0 || size >= n {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	seed := mix(client.lot + golden)
	// What is wanted is most often within one and a half times the part of the
	// ring that size endpoints take on average.
	part := 1.5 * float64(size) / float64(n) * (1 << 64)
	for ; ; part *= 4 {
		limit := uint64(math.MaxUint64)
		if part < 1<<63 {
			limit = uint64(part)
		}
		near := within(endpoints, seed, client.start, limit)
		if len(near) < size && limit < math.MaxUint64 {
			continue
		}
		slices.SortFunc(near, place.compare)
		chosen := make([]int, size)
		for i := range chosen {
			chosen[i] = near[i].index
		}
		slices.Sort(chosen)
		return chosen
	}
}

// A place is where an endpoint lies, clockwise from a client's start.
type place struct {
	distance uint64
	id       ID
	index    int
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.distance, q.distance), cmp.Compare(p.id, q.id), cmp.Compare(p.index, q.index))
}

// within returns the endpoints that are not farther than limit.
func within(endpoints []ID, seed, start, limit uint64) []place {
	var near []place
	for i, id := range endpoints {
		if d := mix(seed^mix(id)) - start; d <= limit {
			near = append(near, place{d, id, i})
		}
	}
	return near
}

const golden = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable
// Pseudorandom Number Generators", 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
