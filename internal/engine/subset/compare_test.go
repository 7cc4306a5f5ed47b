package subset

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// An algorithm is one of those that docs/decisions/008-subsetting.md compares.
// It returns the subset of client i of n.
type algorithm struct {
	name string
	pick func(i, n int, endpoints []ID, size int) []int
}

var algorithms = []algorithm{
	{"rendezvous (gRFC A68)", func(i, _ int, endpoints []ID, size int) []int {
		return Pick(Hash(uint64(i)), endpoints, size)
	}},
	{"deterministic aperture (Finagle)", func(i, n int, endpoints []ID, size int) []int {
		order := ordered(endpoints, 0)
		return window(order, i*len(order)/n, size)
	}},
	{"SRE book, by stable shuffles", func(i, _ int, endpoints []ID, size int) []int {
		count := len(endpoints) / size
		order := ordered(endpoints, uint64(i/count))
		return window(order, i%count*size, size)
	}},
	{"Rocksteadier by rank", func(i, _ int, endpoints []ID, size int) []int {
		order := ordered(endpoints, uint64(i/lotSize))
		at, _ := bits.Mul64(bits.Reverse64(uint64(i%lotSize)), uint64(len(order)))
		return window(order, int(at), size)
	}},
	{"Rocksteadier by place (this package)", func(i, _ int, endpoints []ID, size int) []int {
		return Pick(Ordinal(uint64(i)), endpoints, size)
	}},
}

// orders holds what ordered has found, because all clients of a lot ask for it.
var orders = map[uint64][]int{}

func ordered(endpoints []ID, seed uint64) []int {
	key := mix(seed)
	for _, id := range []ID{endpoints[0], endpoints[len(endpoints)-1], ID(len(endpoints))} {
		key = mix(key ^ id)
	}
	if known, ok := orders[key]; ok {
		return known
	}
	places := within(endpoints, mix(seed+golden), 0, ^uint64(0))
	slices.SortFunc(places, place.compare)
	order := make([]int, len(places))
	for i, p := range places {
		order[i] = p.index
	}
	orders[key] = order
	return order
}

func window(order []int, start, size int) []int {
	w := make([]int, size)
	for i := range w {
		w[i] = order[(start+i)%len(order)]
	}
	return w
}

// all returns which endpoints each of n clients connects to.
func (a algorithm) all(n int, endpoints []ID, size int) []map[ID]bool {
	subsets := make([]map[ID]bool, n)
	for i := range subsets {
		subsets[i] = make(map[ID]bool, size)
		for _, k := range a.pick(i, n, endpoints, size) {
			subsets[i][endpoints[k]] = true
		}
	}
	return subsets
}

// busiest returns the connections of the endpoint that has most and of that
// which has fewest, relative to the mean.
func busiest(subsets []map[ID]bool, endpoints []ID) (most, least float64) {
	count := make(map[ID]float64)
	sum := 0.0
	for _, s := range subsets {
		for id := range s {
			count[id]++
			sum++
		}
	}
	least = sum
	for _, id := range endpoints {
		most, least = max(most, count[id]), min(least, count[id])
	}
	mean := sum / float64(len(endpoints))
	return most / mean, least / mean
}

// changed returns how many connections were opened or closed by clients that
// are in both.
func changed(before, after []map[ID]bool) int {
	n := 0
	for i := range min(len(before), len(after)) {
		for id := range before[i] {
			if !after[i][id] {
				n++
			}
		}
		for id := range after[i] {
			if !before[i][id] {
				n++
			}
		}
	}
	return n
}

func ids(n int) []ID {
	rnd := rand.New(rand.NewPCG(1, 1))
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = rnd.Uint64()
	}
	return ids
}

// TestCompare measures what docs/decisions/008-subsetting.md says.
func TestCompare(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	for _, size := range []struct{ clients, servers, size int }{{1000, 1000, 50}, {200, 1000, 50}, {1000, 10_000, 50}} {
		pool := ids(size.servers + size.servers/10)
		endpoints := pool[:size.servers]
		t.Logf("%d clients × %d servers × %d:", size.clients, size.servers, size.size)
		for _, a := range algorithms {
			clear(orders)
			now := a.all(size.clients, endpoints, size.size)
			most, least := busiest(now, endpoints)
			servers := func(list []ID) int { return changed(now, a.all(size.clients, list, size.size)) }
			clients := func(n int) int { return changed(now, a.all(n, endpoints, size.size)) }
			without := slices.Delete(slices.Clone(endpoints), 400, 401)
			t.Logf("| %s | %.2f | %.2f | %d | %d | %d | %d | %d | %d |", a.name, most, least,
				servers(pool[:size.servers+1]), servers(without), servers(append(slices.Clone(without), pool[size.servers])), servers(pool),
				clients(size.clients+1), clients(size.clients+size.clients/10))
		}
	}
}
