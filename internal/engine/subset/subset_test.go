package subset

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPickOfFew(t *testing.T) {
	endpoints := ids(5)
	for _, size := range []int{-1, 0, 5, 6} {
		if got := Pick(Ordinal(3), endpoints, size); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Errorf("%d of 5: %v", size, got)
		}
	}
	if got := Pick(Hash(3), nil, 3); len(got) != 0 {
		t.Errorf("3 of none: %v", got)
	}
}

// check fails unless a subset is what it must be whatever the fleet: so many
// different endpoints in ascending order, the same ones in whatever order the
// resolver lists them; and without one of them, that one is replaced by one
// other, without another one, nothing changes.
func check(t *testing.T, client Identity, endpoints []ID, size int, rnd *rand.Rand) {
	t.Helper()
	got := Pick(client, endpoints, size)
	want := min(size, len(endpoints))
	if size <= 0 {
		want = len(endpoints)
	}
	if len(got) != want || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != want {
		t.Fatalf("%d of %d: %v", size, len(endpoints), got)
	}
	if want == len(endpoints) {
		return
	}
	before := members(endpoints, got)
	shuffled := slices.Clone(endpoints)
	rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if after := members(shuffled, Pick(client, shuffled, size)); !same(before, after) {
		t.Fatal("the order of the endpoints matters")
	}
	gone := endpoints[rnd.IntN(len(endpoints))]
	left := slices.DeleteFunc(slices.Clone(endpoints), func(id ID) bool { return id == gone })
	after := members(left, Pick(client, left, size))
	kept := 0
	for id := range before {
		if after[id] {
			kept++
		}
	}
	if want := size; before[gone] && kept != want-1 || !before[gone] && kept != want {
		t.Fatalf("one gone (in the subset: %v), and %d of %d were kept", before[gone], kept, size)
	}
}

func members(endpoints []ID, picked []int) map[ID]bool {
	m := make(map[ID]bool)
	for _, k := range picked {
		m[endpoints[k]] = true
	}
	return m
}

func same(a, b map[ID]bool) bool {
	for id := range a {
		if !b[id] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestSubsetsOfRandomFleets(t *testing.T) {
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		endpoints := make([]ID, rnd.IntN(200))
		for i := range endpoints {
			endpoints[i] = rnd.Uint64()
		}
		client := Ordinal(seed)
		if seed%3 == 0 {
			client = Hash(seed)
		}
		check(t, client, endpoints, rnd.IntN(210)-5, rnd)
	}
}

func FuzzPick(f *testing.F) {
	f.Add(uint64(1), uint64(7), uint16(100), 10, true)
	f.Fuzz(func(t *testing.T, seed, who uint64, n uint16, size int, ordinal bool) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		endpoints := make([]ID, n%2000)
		for i := range endpoints {
			endpoints[i] = rnd.Uint64()
		}
		client := Hash(who)
		if ordinal {
			client = Ordinal(who)
		}
		check(t, client, endpoints, size, rnd)
	})
}

// A thousand clients with ordinals and subsets of an eighth: every endpoint has
// its 125 connections within a fifth.
func TestOrdinalsSpreadEvenly(t *testing.T) {
	endpoints := ids(800)
	even := algorithms[len(algorithms)-1].all(1000, endpoints, 100)
	most, least := busiest(even, endpoints)
	if most > 1.2 || least < 0.8 {
		t.Errorf("connections from %.2f to %.2f of the mean", least, most)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		endpoints := ids(n)
		b.Run(fmt.Sprintf("endpoints=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Pick(Ordinal(7), endpoints, 50)
			}
		})
	}
}
