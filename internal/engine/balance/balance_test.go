package balance

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func fleet(n int) []*Endpoint {
	endpoints := make([]*Endpoint, n)
	for i := range endpoints {
		endpoints[i] = new(Endpoint)
	}
	return endpoints
}

// evenly returns endpoints as entries of one weight.
func evenly(endpoints []*Endpoint) []Entry {
	entries := make([]Entry, len(endpoints))
	for i, e := range endpoints {
		entries[i].Endpoint = e
	}
	return entries
}

func roundRobin(n int) ([]*Endpoint, *RoundRobin) {
	endpoints := fleet(n)
	return endpoints, NewRoundRobin(evenly(endpoints), new(atomic.Uint64))
}

func TestEachEndpointHasItsTurn(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 101} {
		for _, rounds := range []int{1, 2, 7} {
			_, p := roundRobin(n)
			got := make([]int, n)
			for range rounds * n {
				got[p.Pick(Request{})]++
			}
			for i, picks := range got {
				if picks != rounds {
					t.Errorf("%d endpoints, %d rounds: endpoint %d was picked %d times", n, rounds, i, picks)
				}
			}
		}
	}
}

func TestTheTurnGoesOnInTheNextPicker(t *testing.T) {
	endpoints := fleet(5)
	turn := new(atomic.Uint64)
	got := make([]int, len(endpoints))
	for range endpoints { // a new picker for each pick
		got[NewRoundRobin(evenly(endpoints), turn).Pick(Request{})]++
	}
	for i, picks := range got {
		if picks != 1 {
			t.Errorf("endpoint %d was picked %d times", i, picks)
		}
	}
}

func TestNothingIsPickedFromNothing(t *testing.T) {
	_, p := roundRobin(0)
	if got := p.Pick(Request{}); got != -1 || p.Fresh(Request{}) {
		t.Errorf("picked %d of none", got)
	}
	endpoints, p := roundRobin(3)
	for _, e := range endpoints {
		e.SetLost(true)
	}
	if got := p.Pick(Request{Avoid: endpoints[:1]}); got != -1 || p.Fresh(Request{}) {
		t.Errorf("picked %d, which is lost", got)
	}
}

func TestALossIsSeenByPickersThatExist(t *testing.T) {
	endpoints, p := roundRobin(2)
	endpoints[0].SetLost(true)
	for range 4 {
		if got := p.Pick(Request{}); got != 1 {
			t.Errorf("picked %d, want the one that is left", got)
		}
	}
	endpoints[0].SetLost(false)
	endpoints[1].SetLost(true)
	if got := p.Pick(Request{}); got != 0 {
		t.Errorf("picked %d, want the one that is back", got)
	}
}

func TestAvoidingAllIsAvoidingNone(t *testing.T) {
	endpoints, p := roundRobin(3)
	var got [3]int
	for range 9 {
		got[p.Pick(Request{Avoid: endpoints})]++
	}
	if got != [3]int{3, 3, 3} {
		t.Errorf("picked %v", got)
	}
	if p.Fresh(Request{Avoid: endpoints}) {
		t.Error("one is fresh though all are avoided")
	}
}

// In any fleet, with any of it lost and any of it avoided: what is lost is
// never picked, what is avoided only if nothing else is left, and Fresh says
// beforehand which of the two it will be.
func TestPicksOfRandomFleets(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := rnd.IntN(12)
		endpoints, p := roundRobin(n)
		p.turn.Store(rnd.Uint64())
		var r Request
		usable, fresh := 0, 0
		pLost, pAvoid := rnd.Float64(), rnd.Float64()
		avoided := make(map[int]bool)
		for i, e := range endpoints {
			e.SetLost(rnd.Float64() < pLost)
			if rnd.Float64() < pAvoid {
				r.Avoid = append(r.Avoid, e)
				avoided[i] = true
			}
			if !e.Lost() {
				usable++
				if !avoided[i] {
					fresh++
				}
			}
		}
		r.Avoid = append(r.Avoid, new(Endpoint)) // one that is gone
		if got := p.Fresh(r); got != (fresh > 0) {
			t.Fatalf("seed %d: fresh %v with %d fresh endpoints", seed, got, fresh)
		}
		seen := make(map[int]bool)
		for range 2 * n {
			i := p.Pick(r)
			switch {
			case usable == 0 && i != -1:
				t.Fatalf("seed %d: picked %d though all are lost", seed, i)
			case usable == 0:
				continue
			case i < 0 || i >= n:
				t.Fatalf("seed %d: picked %d of %d with %d usable", seed, i, n, usable)
			case endpoints[i].Lost():
				t.Fatalf("seed %d: picked %d, which is lost", seed, i)
			case fresh > 0 && avoided[i]:
				t.Fatalf("seed %d: picked %d, which is avoided, of %d fresh ones", seed, i, fresh)
			}
			seen[i] = true
		}
		want := fresh
		if fresh == 0 {
			want = usable
		}
		if len(seen) != want {
			t.Fatalf("seed %d: %d endpoints had a turn, want %d", seed, len(seen), want)
		}
	}
}

func TestManyGoroutinesShareOneTurn(t *testing.T) {
	const goroutines, picks = 8, 1000
	endpoints, p := roundRobin(10)
	turns := make([]atomic.Int64, len(endpoints))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range picks {
				turns[p.Pick(Request{})].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range turns {
		if got := turns[i].Load(); got != goroutines*picks/int64(len(endpoints)) {
			t.Errorf("endpoint %d was picked %d times of %d", i, got, goroutines*picks)
		}
	}
}

func TestAPickSeesALossWhileOthersPick(t *testing.T) {
	endpoints, p := roundRobin(3)
	var wg sync.WaitGroup
	for i, e := range endpoints[:2] {
		wg.Go(func() {
			for n := range 1000 {
				e.SetLost(n%2 == 0)
				if got := p.Pick(Request{Avoid: endpoints[2:]}); got < 0 {
					t.Errorf("nothing picked though endpoint 2 is never lost")
				}
				e.SetLost(true)
				if got := p.Pick(Request{}); got == i {
					t.Errorf("picked %d after it was lost", i)
				}
			}
		})
	}
	wg.Wait()
}

func TestAPickAllocatesNothing(t *testing.T) {
	endpoints, p := roundRobin(1000)
	r := Request{Avoid: endpoints[3:5]}
	if n := testing.AllocsPerRun(1000, func() { p.Pick(r) }); n != 0 {
		t.Errorf("%v allocations for a pick", n)
	}
	if n := testing.AllocsPerRun(1000, func() { p.Fresh(r) }); n != 0 {
		t.Errorf("%v allocations to know what is left", n)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		endpoints, p := roundRobin(n)
		for _, avoid := range []int{0, 2} {
			r := Request{Avoid: endpoints[:avoid]}
			b.Run(fmt.Sprintf("endpoints=%d/avoided=%d", n, avoid), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Pick(r)
				}
			})
		}
	}
}
