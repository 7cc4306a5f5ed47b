package balance

import (
	"math"
	"math/bits"
	"slices"
)

// A source makes a row of random numbers of one (SplitMix64: Steele, Lea and
// Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
type source uint64

func (s *source) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return mix(uint64(*s))
}

// mix is the finalizer of SplitMix64: each bit of x changes half of the bits
// of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below returns a random number below n (Lemire, "Fast Random Integer
// Generation in an Interval", 2019; its bias of n/2^64 is left).
func (s *source) below(n uint64) uint64 {
	hi, _ := bits.Mul64(s.next(), n)
	return hi
}

// A sampler draws entries with probabilities in proportion to their weights,
// in constant time: Walker's alias method as built by Vose (1991), in integers
// and therefore exact.
type sampler struct {
	entries []Entry
	columns []column // nil if all weights are equal
	sum     uint64   // of the weights, which is the height of a column
}

// A column of the alias table holds its own entry below keep, another above.
type column struct {
	keep  uint64 // of sum
	other uint32
}

func newSampler(entries []Entry) sampler {
	s := sampler{entries: entries}
	even := true
	for _, e := range entries {
		s.sum += uint64(e.weight())
		even = even && e.weight() == entries[0].weight()
	}
	if even {
		return s
	}
	// Entry i brings weight·n and every column takes sum, which is the mean.
	n := uint64(len(entries))
	s.columns = make([]column, n)
	// One list from both ends: the columns not yet full, and those above.
	lists := make([]uint32, n)
	small, large := 0, len(lists)
	for i, e := range entries {
		s.columns[i] = column{keep: uint64(e.weight()) * n, other: uint32(i)}
		if s.columns[i].keep < s.sum {
			lists[small] = uint32(i)
			small++
		} else {
			large--
			lists[large] = uint32(i)
		}
	}
	for small > 0 && large < len(lists) {
		small--
		from, to := lists[large], lists[small]
		s.columns[to].other = from
		s.columns[from].keep -= s.sum - s.columns[to].keep
		if s.columns[from].keep < s.sum {
			large++
			lists[small] = from
			small++
		}
	}
	return s
}

// draw returns an entry.
func (s *sampler) draw(from *source) int {
	k := from.below(uint64(len(s.entries)))
	if s.columns != nil {
		if c := &s.columns[k]; from.below(s.sum) >= c.keep {
			k = uint64(c.other)
		}
	}
	return int(k)
}

// maxChoices bounds how many endpoints a pick compares.
const maxChoices = 10

// choose fills into with different entries of the rank that r prefers, drawn
// by weight, and returns how many: fewer than asked for if there are no more.
func (s *sampler) choose(r *Request, into []int) int {
	if len(s.entries) == 0 {
		return 0
	}
	from := source(r.Random)
	n := 0
	// A few draws in vain are cheaper than a look at every endpoint.
	for range 4*len(into) + 8 {
		k := s.draw(&from)
		if r.of(&s.entries[k]) == fresh && !slices.Contains(into[:n], k) {
			into[n] = k
			if n++; n == len(into) {
				return n
			}
		}
	}
	return s.scan(r, into, n, &from)
}

// scan goes on with choose, which found the first n, where little of the fleet
// is left: it looks at every entry. Each gets a random score of weight w with
// the distribution of the w-th root, and the highest win, which is drawing by
// weight without replacement (Efraimidis and Spirakis, "Weighted random
// sampling with a reservoir", 2006).
func (s *sampler) scan(r *Request, into []int, n int, from *source) int {
	want, _ := r.best(s.entries, 0)
	if want == lost {
		return n
	}
	var scores [maxChoices]float64
	drawn := n
	for k, e := range s.entries {
		if r.of(&s.entries[k]) > want || slices.Contains(into[:drawn], k) {
			continue
		}
		score := math.Log(float64(from.next()>>11|1)/(1<<53)) / float64(e.weight())
		at := n
		for at > drawn && scores[at-1] < score {
			at--
		}
		if at == len(into) {
			continue
		}
		n = min(n+1, len(into))
		copy(into[at+1:n], into[at:])
		copy(scores[at+1:n], scores[at:])
		into[at], scores[at] = k, score
	}
	return n
}
