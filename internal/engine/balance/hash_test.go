package balance

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// owners returns the ID that each key belongs to.
func owners(p Picker, entries []Entry, keys int, avoid ...*Endpoint) []uint64 {
	ids := make([]uint64, keys)
	for key := range ids {
		ids[key] = entries[p.Pick(Request{Key: uint64(key), Keyed: true, Avoid: avoid})].ID
	}
	return ids
}

func plainHash(entries []Entry, prev Picker) Ordered { return NewHash(entries, HashConfig{}, prev) }

// Removing k of n endpoints moves their keys and no other, and that they are
// lost, out or avoided moves the same keys to the same places.
func TestHashRemovalMovesOnlyTheKeysOfTheRemoved(t *testing.T) {
	for _, heaviest := range []uint32{1, 10} {
		for _, n := range []int{2, 10, 100, 1000} {
			for _, k := range []int{1, n / 5} {
				if k == 0 {
					continue
				}
				entries := entriesOf(n, heaviest, uint64(n))
				rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
				keys := 20_000
				all := plainHash(entries, nil)
				before := owners(all, entries, keys)
				removed, left := entries[:k], entries[k:]
				var ids []uint64
				var avoid []*Endpoint
				for _, e := range removed {
					ids = append(ids, e.ID)
					avoid = append(avoid, e.Endpoint)
				}
				after := owners(plainHash(left, nil), left, keys)
				moved := 0
				for key := range keys {
					switch {
					case slices.Contains(ids, before[key]):
						moved++
					case before[key] != after[key]:
						t.Fatalf("%d of %d removed: key %d of an endpoint that stayed moved", k, n, key)
					}
				}
				t.Logf("weights 1 to %d: %d of %d removed: %.4f of the keys moved, theirs alone", heaviest, k, n, float64(moved)/float64(keys))
				if k <= 100 && !slices.Equal(owners(all, entries, keys, avoid...), after) {
					t.Errorf("%d of %d avoided: not as if they were gone", k, n)
				}
				for name, set := range map[string]func(*Endpoint, bool){"lost": (*Endpoint).SetLost, "out": (*Endpoint).SetOut} {
					for _, e := range removed {
						set(e.Endpoint, true)
					}
					if !slices.Equal(owners(all, entries, keys), after) {
						t.Errorf("%d of %d %s: not as if they were gone", k, n, name)
					}
					for _, e := range removed {
						set(e.Endpoint, false)
					}
				}
				if !slices.Equal(owners(all, entries, keys), before) {
					t.Error("the keys did not come back")
				}
			}
		}
	}
}

// What is added wins keys from all, and nothing else moves. What it wins is
// within 30 % of its share for a single one, within 15 % for a tenth of 100.
func TestHashAdditionMovesKeysOnlyToTheAdded(t *testing.T) {
	const keys = 50_000
	for _, c := range []struct {
		n, k  int
		bound float64
	}{{2, 1, .3}, {10, 1, .3}, {100, 1, .3}, {100, 10, .15}, {1000, 100, .1}} {
		entries := entriesOf(c.n+c.k, 1, 3)
		few := entries[:c.n]
		before, after := owners(plainHash(few, nil), few, keys), owners(plainHash(entries, nil), entries, keys)
		moved := 0.0
		for key := range keys {
			if before[key] == after[key] {
				continue
			}
			moved++
			if slices.ContainsFunc(few, func(e Entry) bool { return e.ID == after[key] }) {
				t.Fatalf("%d added to %d: key %d moved between old ones", c.k, c.n, key)
			}
		}
		fair := keys * float64(c.k) / float64(c.n+c.k)
		t.Logf("%d added to %d: %.4f of the keys moved, %.3f of their share", c.k, c.n, moved/keys, moved/fair)
		if math.Abs(moved/fair-1) > c.bound {
			t.Errorf("%d added to %d: they won %.3f of their share", c.k, c.n, moved/fair)
		}
	}
}

// A changed weight moves keys only to what became heavier or from what became
// lighter.
func TestHashReweighingMovesNothingElse(t *testing.T) {
	const keys = 50_000
	entries := entriesOf(50, 5, 4)
	before := owners(plainHash(entries, nil), entries, keys)
	heavier := slices.Clone(entries)
	heavier[7].Weight = 60
	for key, id := range owners(plainHash(heavier, nil), heavier, keys) {
		if id != before[key] && id != heavier[7].ID {
			t.Fatalf("key %d moved between endpoints that kept their weights", key)
		}
	}
}

// Every endpoint's share is within a half of its weight's, and the root of the
// mean square of what it is off by is at most a tenth. Each endpoint has 1,000
// keys on average, so that chance adds 0.03 to that.
func TestHashShares(t *testing.T) {
	for _, heaviest := range []uint32{1, 10} {
		for _, n := range []int{2, 10, 100, 1000} {
			keys := max(1000*n, 30_000)
			for seed := range uint64(2) {
				entries := entriesOf(n, heaviest, seed)
				count := make(map[uint64]int, n)
				for _, id := range owners(plainHash(entries, nil), entries, keys) {
					count[id]++
				}
				sum, squares, most, least := 0.0, 0.0, 0.0, math.Inf(1)
				for _, e := range entries {
					sum += float64(e.weight())
				}
				for _, e := range entries {
					part := float64(count[e.ID]) / float64(keys) * sum / float64(e.weight())
					most, least = max(most, part), min(least, part)
					squares += (part - 1) * (part - 1) / float64(n)
				}
				t.Logf("%d endpoints of weights 1 to %d: %.3f to %.3f of their share, off by %.3f", n, heaviest, least, most, math.Sqrt(squares))
				if most > 1.5 || least < 0.5 || squares > 0.01 {
					t.Errorf("%d endpoints of weights 1 to %d: %.3f to %.3f of their share, off by %.3f", n, heaviest, least, most, math.Sqrt(squares))
				}
			}
		}
	}
}

// The keys of an endpoint that is gone scatter over the others: no other takes
// more than four times its share of them.
func TestHashKeysOfTheLostScatter(t *testing.T) {
	const n, keys = 20, 200_000
	entries := entriesOf(n, 1, 8)
	p := plainHash(entries, nil)
	before := owners(p, entries, keys)
	entries[3].SetLost(true)
	count := make(map[uint64]int)
	all := 0
	for key, id := range owners(p, entries, keys) {
		if before[key] == entries[3].ID {
			count[id]++
			all++
		}
	}
	worst := 0.0
	for _, c := range count {
		worst = max(worst, float64(c)/float64(all)*(n-1))
	}
	t.Logf("%d of %d others took keys, the busiest %.2f of its share", len(count), n-1, worst)
	if len(count) != n-1 || worst > 4 {
		t.Errorf("%d of %d others took keys, the busiest %.2f of its share", len(count), n-1, worst)
	}
}

// An endpoint that is out comes before the one that is picked in its place if,
// and only if, the key would go to it were it in, whoever else is lost or out;
// and no other key goes anywhere else then.
func TestHashTellsWhoseKeyItIs(t *testing.T) {
	own, others := 0, 0
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		entries := entriesOf(2+int(seed), 1+uint32(seed%3)*7, seed)
		for i := range entries[2:] {
			entries[i+2].SetLost(rnd.IntN(4) == 0)
			entries[i+2].SetOut(rnd.IntN(4) == 0)
		}
		p := plainHash(entries, nil)
		for range 2000 {
			r := Request{Key: rnd.Uint64(), Random: rnd.Uint64(), Keyed: rnd.IntN(8) > 0}
			entries[0].SetOut(true)
			without := p.Pick(r)
			before := p.Before(r, 0, without)
			entries[0].SetOut(false)
			switch with := p.Pick(r); {
			case with == 0 && before:
				own++
			case with == without && !before:
				others++
			default:
				t.Fatalf("seed %d: picked %d while 0 is out and %d while it is in; before %v", seed, without, with, before)
			}
		}
	}
	if own < 1000 || others < 1000 {
		t.Errorf("%d keys of the endpoint, %d of others", own, others)
	}
}

// With a bound no endpoint ever holds more than its share of what is in
// flight, rounded up, even if all calls have one key; what is lost has no share.
func TestHashBoundsLoad(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		entries, _ := uneven(seed, 10)
		p := NewHash(entries, HashConfig{MaxLoadPercent: 125}, nil)
		total := int64(0)
		for step := range 2000 {
			if step == 1000 { // what is in flight stays, but another is lost
				for i := range entries {
					for entries[i].InFlight() > 0 {
						entries[i].End(0, -1, false)
						total--
					}
				}
				entries[len(entries)-1].SetLost(true)
			}
			sum := 0.0
			for _, e := range entries {
				if e.flags.Load() == 0 {
					sum += float64(e.weight())
				}
			}
			i := p.Pick(Request{Key: uint64(rnd.IntN(2)), Keyed: true})
			e := entries[i]
			e.Begin()
			total++
			most := math.Ceil(1.25 * float64(total) * float64(e.weight()) / sum)
			if float64(e.InFlight()) > most {
				t.Fatalf("seed %d, step %d: endpoint %d holds %d of %d, may hold %v", seed, step, i, e.InFlight(), total, most)
			}
		}
	}
}

// A call without a key goes anywhere, by weight.
func TestHashWithoutKeyIsRandom(t *testing.T) {
	entries := entriesOf(10, 1, 1)
	p := plainHash(entries, nil)
	rnd := rand.New(rand.NewPCG(1, 1))
	got := make([]int, len(entries))
	for range 10_000 {
		got[p.Pick(Request{Key: 5, Random: rnd.Uint64()})]++
	}
	if slices.Min(got) < 500 || slices.Max(got) > 1500 {
		t.Errorf("picked %v times", got)
	}
}
