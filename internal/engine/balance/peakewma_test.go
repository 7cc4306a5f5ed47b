package balance

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A drive sends one attempt each interval through a picker; server says how
// long an endpoint takes and whether it fails.
type drive struct {
	entries []Entry
	picker  Picker
	now     int64
	rnd     *rand.Rand
	open    []running
	picks   []int
}

type running struct {
	entry  int
	begun  int64
	ends   int64
	failed bool
}

func newDrive(n int, seed uint64) *drive {
	d := &drive{entries: make([]Entry, n), rnd: rand.New(rand.NewPCG(seed, 5)), picks: make([]int, n)}
	for i := range d.entries {
		d.entries[i] = Entry{Endpoint: new(Endpoint)}
	}
	d.picker = NewPeakEWMA(d.entries)
	return d
}

// never is the latency of an endpoint that does not answer.
const never = time.Duration(math.MaxInt64 / 4)

func (d *drive) run(length, interval time.Duration, server func(i int) (time.Duration, bool)) []int {
	clear(d.picks)
	for end := d.now + int64(length); d.now < end; d.now += int64(interval) {
		d.open = slices.DeleteFunc(d.open, func(a running) bool {
			if a.ends > d.now {
				return false
			}
			d.entries[a.entry].End(a.ends, time.Duration(a.ends-a.begun), a.failed)
			return true
		})
		i := d.picker.Pick(Request{Now: d.now, Random: d.rnd.Uint64()})
		d.entries[i].Begin()
		d.picks[i]++
		latency, failed := server(i)
		d.open = append(d.open, running{i, d.now, d.now + int64(latency), failed})
	}
	return d.picks
}

func share(picks []int, i int) float64 {
	sum := 0
	for _, n := range picks {
		sum += n
	}
	return float64(picks[i]) / float64(sum)
}

// quiet is 5 ms give or take a fifth.
func (d *drive) quiet() time.Duration {
	return 4*time.Millisecond + time.Duration(d.rnd.Int64N(int64(2*time.Millisecond)))
}

// One client sends 100 attempts a second to ten endpoints.
func TestPeakEWMA(t *testing.T) {
	const interval = 10 * time.Millisecond
	for seed := range uint64(5) {
		d := newDrive(10, seed)
		healthy := func(int) (time.Duration, bool) { return d.quiet(), false }
		picks := d.run(20*time.Second, interval, healthy)
		if most := slices.Max(picks); most > 2*200 {
			t.Errorf("seed %d: the busiest of ten like ones got %d of 2000", seed, most)
		}
		t.Logf("seed %d: alike: busiest %d, least busy %d of 2000", seed, slices.Max(picks), slices.Min(picks))

		slow := func(i int) (time.Duration, bool) {
			if i == 0 {
				return 10 * d.quiet(), false
			}
			return d.quiet(), false
		}
		d.run(2*time.Second, interval, slow)
		bad := share(d.run(30*time.Second, interval, slow), 0)
		d.run(13*time.Second, interval, healthy)
		back := share(d.run(5*time.Second, interval, healthy), 0)
		t.Logf("seed %d: ten times slower: share %.4f, 13 s after it healed %.3f", seed, bad, back)
		if bad > 0.01 || back < 0.03 {
			t.Errorf("seed %d: share %.4f while slow, %.4f after", seed, bad, back)
		}

		failing := func(i int) (time.Duration, bool) {
			if i == 0 {
				return d.quiet() / 10, true
			}
			return d.quiet(), false
		}
		d.run(2*time.Second, interval, failing)
		bad = share(d.run(30*time.Second, interval, failing), 0)
		d.run(13*time.Second, interval, healthy)
		back = share(d.run(5*time.Second, interval, healthy), 0)
		t.Logf("seed %d: fails ten times faster: share %.4f, 13 s after it healed %.3f", seed, bad, back)
		if bad > 0.01 || back < 0.03 {
			t.Errorf("seed %d: share %.4f while failing fast, %.4f after", seed, bad, back)
		}
	}
}

// An endpoint of which nothing is known, beside nine that are, gets about its
// share; if it never answers it holds no more attempts than the others do.
func TestPeakEWMANeitherFloodsNorStarvesTheUnknown(t *testing.T) {
	const interval = time.Millisecond
	for seed := range uint64(5) {
		d := newDrive(10, seed)
		d.entries[0].SetLost(true)
		healthy := func(int) (time.Duration, bool) { return 4 * d.quiet(), false }
		d.run(5*time.Second, interval, healthy)
		d.entries[0].SetLost(false)
		got := share(d.run(time.Second, interval, healthy), 0)
		if got < 0.07 || got > 0.13 {
			t.Errorf("seed %d: a new endpoint got %.3f", seed, got)
		}
		hung := func(i int) (time.Duration, bool) {
			if i == 1 {
				return never, false
			}
			return d.quiet() * 4, false
		}
		d.run(60*time.Second, interval, hung)
		if got := d.entries[1].InFlight(); got > 8 {
			t.Errorf("seed %d: an endpoint that hangs holds %d attempts, others about 2", seed, got)
		}
	}
}

// Whatever is measured, the estimate is a positive number not above the
// largest latency it has seen or the penalty.
func FuzzEstimate(f *testing.F) {
	f.Add(int64(0), int64(5e6), false, int64(1e9), int64(1), true)
	f.Add(int64(-1), int64(0), true, int64(math.MaxInt64), int64(math.MaxInt64), false)
	f.Fuzz(func(t *testing.T, now1, took1 int64, failed1 bool, now2, took2 int64, failed2 bool) {
		var e estimate
		most := float32(5000)
		for _, m := range []struct {
			now, took int64
			failed    bool
		}{{now1, took1, failed1}, {now2, took2, failed2}, {now1, took2, failed1}} {
			e.record(m.now, time.Duration(m.took), m.failed)
			most = max(most, float32(m.took)/1e6)
			if got := e.at(m.now); !(got > 0 && got <= most*1.001) {
				t.Fatalf("estimate %v after a latency of %v", got, time.Duration(m.took))
			}
		}
	})
}

// A slow answer counts at once, fast ones by and by, a failure as five seconds
// by and by, and after ten seconds of silence nothing is known.
func TestEstimate(t *testing.T) {
	const ms, s = int64(time.Millisecond), int64(time.Second)
	var e estimate
	steps := []struct {
		now    int64
		took   int64
		failed bool
		want   float64 // milliseconds
	}{
		{1 * s, 5 * ms, false, 5},
		{2 * s, 50 * ms, false, 50},
		{3 * s, 5 * ms, false, 5 + 45*math.Exp(-.1)},
		{3 * s, 1 * ms, false, 5 + 45*math.Exp(-.1)},
		{12 * s, 5 * ms, false, 5 + 45*math.Exp(-1)},
		{13 * s, 1 * ms, true, 5000 - (5000-5-45*math.Exp(-1))*math.Exp(-.1)},
		{23*s + 2*ms, 5 * ms, false, 5},
		{34 * s, 1 * ms, true, 5000},
		{35 * s, 7000 * ms, true, 7000},
	}
	for _, step := range steps {
		e.record(step.now, time.Duration(step.took), step.failed)
		if got := float64(e.at(step.now)); math.Abs(got-step.want) > step.want/500 {
			t.Errorf("at %v: %v ms, want %v", time.Duration(step.now), got, step.want)
		}
	}
	if got := e.at(35*s + 10*s + 2*ms); got != 0 {
		t.Errorf("%v ms is still believed after ten seconds", got)
	}
}
