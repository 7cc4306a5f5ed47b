package balance

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// However the picker came about, and in whatever order the endpoints are, a
// key belongs to the same one.
func TestHashHasNoHistory(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	pool := entriesOf(300, 1, 5)
	entries := slices.Clone(pool[:100])
	prev := plainHash(entries, nil)
	for step := range 60 {
		next := slices.Clone(entries)
		for range rnd.IntN(4) {
			i := rnd.IntN(len(next))
			next = slices.Delete(next, i, i+1)
		}
		for range rnd.IntN(4) {
			e := pool[rnd.IntN(len(pool))]
			if !slices.Contains(next, e) {
				if rnd.IntN(2) == 0 {
					next = append(next, e)
				} else {
					next[rnd.IntN(len(next))] = e
				}
			}
		}
		if step%10 == 9 {
			rnd.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
		}
		p := plainHash(next, prev)
		sorted := slices.Clone(next)
		slices.SortFunc(sorted, func(a, b Entry) int { return mark{id: a.ID}.compare(mark{id: b.ID}) })
		if !slices.Equal(owners(p, next, 2000), owners(plainHash(sorted, nil), sorted, 2000)) {
			t.Fatalf("step %d: the picker that followed differs from a new one", step)
		}
		entries, prev = next, p
	}
}

func FuzzHashFollow(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, seed uint64, ops []byte) {
		pool := entriesOf(256, 1, seed)
		var entries []Entry
		prev := plainHash(nil, nil)
		for _, op := range ops[:min(len(ops), 50)] {
			next := slices.Clone(entries)
			e := pool[op]
			if i := slices.Index(next, e); i >= 0 {
				next = slices.Delete(next, i, i+1)
			} else {
				next = slices.Insert(next, int(op)%(len(next)+1), e)
			}
			p := plainHash(next, prev)
			if len(next) > 0 && !slices.Equal(owners(p, next, 100), owners(plainHash(next, nil), next, 100)) {
				t.Fatal("the picker that followed differs from a new one")
			}
			entries, prev = next, p
		}
	})
}
