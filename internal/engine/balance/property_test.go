package balance

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A world is a random fleet with a picker of each kind over it, and what the
// counters must say.
type world struct {
	entries []Entry
	pickers []Picker
	open    []int // entries of attempts in flight, in the order they began
	rnd     *rand.Rand
}

func newWorld(seed uint64, n int) *world {
	rnd := rand.New(rand.NewPCG(seed, 7))
	w := &world{entries: entriesOf(n, 1, seed), rnd: rnd}
	heaviest := 1 + rnd.Uint32N(20)
	for i := range w.entries {
		w.entries[i].Weight = rnd.Uint32N(heaviest + 1)
		w.entries[i].Group = uint8(rnd.UintN(3)) * 31 // 0, 31 or 62
	}
	for _, k := range kinds() {
		w.pickers = append(w.pickers, k.make(w.entries, nil))
	}
	w.pickers = append(w.pickers, NewLeastRequest(w.entries, 5))
	return w
}

// shake sets random flags.
func (w *world) shake() {
	pLost, pOut := w.rnd.Float64(), w.rnd.Float64()
	for _, e := range w.entries {
		e.SetLost(w.rnd.Float64() < pLost)
		e.SetOut(w.rnd.Float64() < pOut)
	}
}

func (w *world) request() Request {
	r := Request{
		Now: w.rnd.Int64N(1e12), Random: w.rnd.Uint64(), Key: w.rnd.Uint64(), Keyed: w.rnd.IntN(4) > 0,
		Avoid: []*Endpoint{new(Endpoint)}, // one that is gone
	}
	if w.rnd.IntN(2) == 0 {
		r.Shut = w.rnd.Uint64()
	}
	pAvoid := w.rnd.Float64()
	for _, e := range w.entries {
		if w.rnd.Float64() < pAvoid {
			r.Avoid = append(r.Avoid, e.Endpoint)
		}
	}
	return r
}

// want returns the place in the package's order of preference of the best
// entries, by the words of its comment, where a group that is shut is out: 0 in and not avoided, 1 in, 2 out and
// not avoided, 3 out, 4 lost.
func (w *world) want(r Request) int {
	best := 4
	for i := range w.entries {
		best = min(best, w.place(r, i))
	}
	return best
}

func (w *world) place(r Request, i int) int {
	e := w.entries[i].Endpoint
	place := 0
	if e.Lost() {
		return 4
	}
	if e.Out() || r.Shut&(1<<w.entries[i].Group) != 0 {
		place = 2
	}
	if slices.Contains(r.Avoid, e) {
		place++
	}
	return place
}

// check picks with every picker and fails if one breaks the order of
// preference, or if Fresh does not foretell it. It begins or ends an attempt
// after each and compares the counters.
func (w *world) check(t *testing.T) {
	t.Helper()
	for p, picker := range w.pickers {
		r := w.request()
		want := w.want(r)
		if got := picker.Fresh(r); got != (want == 0 || want == 2) {
			t.Fatalf("picker %d: fresh %v, though the best have place %d", p, got, want)
		}
		i := picker.Pick(r)
		switch {
		case want == 4 && i != -1:
			t.Fatalf("picker %d: picked %d, though all are lost", p, i)
		case want == 4:
			continue
		case i < 0 || i >= len(w.entries):
			t.Fatalf("picker %d: picked %d of %d", p, i, len(w.entries))
		case w.place(r, i) != want:
			t.Fatalf("picker %d: picked %d of place %d, though the best have %d", p, i, w.place(r, i), want)
		}
		w.entries[i].Begin()
		w.open = append(w.open, i)
		for w.rnd.IntN(2) == 0 && len(w.open) > 0 {
			k := w.rnd.IntN(len(w.open))
			w.entries[w.open[k]].End(w.rnd.Int64N(1e12), time.Duration(w.rnd.Int64N(1e9)-1e8), w.rnd.IntN(3) == 0)
			w.open = slices.Delete(w.open, k, k+1)
		}
		w.sums(t)
	}
}

// sums fails if the counters do not say what is in flight.
func (w *world) sums(t *testing.T) {
	t.Helper()
	held := make([]int64, len(w.entries))
	for _, i := range w.open {
		held[i]++
	}
	for i, e := range w.entries {
		if e.InFlight() != held[i] {
			t.Fatalf("endpoint %d has %d in flight, want %d", i, e.InFlight(), held[i])
		}
		if got := e.Fleet.inFlight.Load(); got != int64(len(w.open)) {
			t.Fatalf("the fleet has %d in flight, want %d", got, len(w.open))
		}
	}
}

func TestEveryPickerKeepsTheOrderOfPreference(t *testing.T) {
	for seed := range uint64(1500) {
		w := newWorld(seed, int(seed%14))
		for range 5 {
			w.shake()
			w.check(t)
		}
	}
}

func FuzzPickers(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(2))
	f.Add(uint64(2), uint8(200), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, n, steps uint8) {
		w := newWorld(seed, int(n))
		for range steps%8 + 1 {
			w.shake()
			w.check(t)
		}
	})
}
