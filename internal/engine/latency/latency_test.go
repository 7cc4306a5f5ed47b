package latency

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// exact returns the least of sorted that permille of a thousand do not exceed.
func exact(sorted []time.Duration, permille int) time.Duration {
	rank := (len(sorted)*permille + 999) / 1000
	return sorted[max(rank, 1)-1]
}

// near reports whether a quantile is what Quantile promises of an exact one.
func near(got, exact time.Duration) bool {
	return got >= exact && got <= exact+max(exact/16, 1<<unitBits)
}

func TestQuantilesAreExactToASixteenth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func() time.Duration{
		"even":       func() time.Duration { return time.Duration(random.Int64N(int64(time.Second))) },
		"long tail":  func() time.Duration { return time.Duration(random.ExpFloat64() * float64(20*time.Millisecond)) },
		"very short": func() time.Duration { return time.Duration(random.Int64N(200_000)) },
		"very long":  func() time.Duration { return time.Duration(random.Int64N(int64(15 * time.Minute))) },
		"two modes": func() time.Duration {
			if random.IntN(20) == 0 {
				return 2 * time.Second
			}
			return 10 * time.Millisecond
		},
		"always the same": func() time.Duration { return 5 * time.Millisecond },
	}
	for name, draw := range shapes {
		for _, n := range []int{100, 101, 1000, 5000} {
			var w Window
			times := make([]time.Duration, n)
			for i := range times {
				times[i] = draw()
				w.Record(0, times[i])
			}
			slices.Sort(times)
			s := w.At(0)
			if s.Count() != n {
				t.Fatalf("%s: %d of %d counted", name, s.Count(), n)
			}
			for permille := 1; permille < 1000; permille++ {
				got, known := s.Quantile(permille)
				if known != (n*(1000-permille) >= 1000) {
					t.Fatalf("%s: quantile %d of %d is known: %v", name, permille, n, known)
				}
				if want := exact(times, permille); known && !near(got, want) {
					t.Fatalf("%s: quantile %d of %d is %v, exactly %v", name, permille, n, got, want)
				}
			}
		}
	}
}

// Each time has one bucket, which ends above it, and buckets follow each other.
func TestBucketsHoldWhatTheySay(t *testing.T) {
	last := time.Duration(0)
	for i := range buckets {
		ceiling := ceilingOf(i)
		if bucketOf(ceiling-1) != i || bucketOf(last) != i {
			t.Fatalf("bucket %d from %v to %v holds times of buckets %d and %d", i, last, ceiling, bucketOf(last), bucketOf(ceiling-1))
		}
		if width := ceiling - last; width > max(last/fine, 1<<unitBits) {
			t.Errorf("bucket %d from %v is %v wide", i, last, width)
		}
		last = ceiling
	}
	for _, d := range []time.Duration{-1, -1 << 62} {
		if bucketOf(d) != 0 {
			t.Errorf("%v in bucket %d", d, bucketOf(d))
		}
	}
	for _, d := range []time.Duration{last, 1<<63 - 1} {
		if bucketOf(d) != buckets-1 {
			t.Errorf("%v in bucket %d", d, bucketOf(d))
		}
	}
}

func TestThePastIsForgotten(t *testing.T) {
	var w Window
	for now := time.Duration(0); now < 60*time.Second; now += 10 * time.Millisecond {
		w.Record(now, time.Second)
	}
	s := w.At(60 * time.Second)
	if n := s.Count(); n < 2250 || n > 3000 {
		t.Errorf("%d times of the last 30 s at 100/s", n)
	}
	// It has become fast. What was slow is gone after 30 s.
	for now := 60 * time.Second; now < 90*time.Second; now += 10 * time.Millisecond {
		w.Record(now, time.Millisecond)
	}
	if q, known := w.At(90 * time.Second).Quantile(990); !known || !near(q, time.Millisecond) {
		t.Errorf("after 30 s: %v, known %v", q, known)
	}
	if q, known := w.At(time.Hour).Quantile(500); known {
		t.Errorf("after an hour of silence: %v of %d", q, w.At(time.Hour).Count())
	}
}

func TestSlownessIsSeenAtOnce(t *testing.T) {
	var w Window
	now := time.Duration(0)
	for ; now < 30*time.Second; now += 10 * time.Millisecond {
		w.Record(now, time.Millisecond)
	}
	began := now
	for ; ; now += 10 * time.Millisecond {
		w.Record(now, time.Second)
		if q, _ := w.At(now).Quantile(950); q >= time.Second {
			break
		}
	}
	if took := now - began; took > 3*time.Second {
		t.Errorf("5%% were slow after 1.5 s; it took %v", took)
	}
}

func TestTooFewAreNotBelieved(t *testing.T) {
	for _, c := range []struct{ permille, enough int }{{500, 100}, {950, 100}, {990, 100}, {995, 200}, {999, 1000}} {
		var w Window
		for i := range c.enough {
			if q, known := w.count(0).Quantile(c.permille); known {
				t.Fatalf("quantile %d of %d times: %v", c.permille, i, q)
			}
			w.Record(0, time.Second)
		}
		if _, known := w.count(0).Quantile(c.permille); !known {
			t.Errorf("quantile %d of %d times is not known", c.permille, c.enough)
		}
	}
	if _, known := new(Window).At(0).Quantile(500); known {
		t.Error("an empty window has a median")
	}
}

func TestWhatWasGivenUpEarlySaysNothing(t *testing.T) {
	var w Window
	for range 200 {
		w.Record(0, 20*time.Millisecond)
	}
	w.RecordAtLeast(0, 5*time.Millisecond, 950)
	if n := w.count(0).Count(); n != 200 {
		t.Errorf("one that was given up before the quantile was counted: %d", n)
	}
	w.RecordAtLeast(0, time.Second, 950)
	if s := w.count(0); s.Count() != 201 || s.upTo[bucketOf(time.Second)-1] != 200 {
		t.Errorf("one that was given up late was not counted as late: %d", s.Count())
	}
	// While nothing is known, a timeout may be all that there is.
	var young Window
	young.RecordAtLeast(0, 5*time.Millisecond, 950)
	if n := young.count(0).Count(); n != 1 {
		t.Errorf("%d counted in a young window", n)
	}
}

func TestASnapshotIsAsOldAsASecond(t *testing.T) {
	var w Window
	first := w.At(0)
	w.Record(0, 1)
	if w.At(refresh-1) != first {
		t.Error("counted again within a second")
	}
	w.mu.Lock() // somebody else counts
	if w.At(refresh) != first {
		t.Error("waited for the one who counts")
	}
	w.mu.Unlock()
	if s := w.At(refresh); s == first || s.Count() != 1 {
		t.Errorf("%d counted after a second", s.Count())
	}
	if s := w.At(0); s.Count() != 1 {
		t.Error("a clock that goes back counts again")
	}
}

func TestWhatIsOlderThanTheWindowIsForgottenThoughNothingFollows(t *testing.T) {
	var w Window
	w.Record(0, time.Second)
	if n := w.count(parts*partLength - 1).Count(); n != 1 {
		t.Errorf("%d counted at the end of the window, want 1", n)
	}
	if n := w.count(parts * partLength).Count(); n != 0 {
		t.Errorf("%d counted after it, want none", n)
	}
}

// FuzzWindow compares a window with a list of everything: what went in is what
// is in the buckets, and quantiles are near the exact ones. Three bytes are a
// step: how much time passes, and a time in a floating form.
func FuzzWindow(f *testing.F) {
	f.Add(uint16(950), []byte{0, 1, 2, 200, 3, 4, 10, 200, 5, 255, 255, 255, 0, 0, 0})
	f.Add(uint16(1), []byte("steps of three letters each, and times that jump about"))
	r := rand.New(rand.NewPCG(1, 2))
	for range 32 {
		steps := make([]byte, 300)
		for i := range steps {
			steps[i] = byte(r.Uint32())
		}
		f.Add(uint16(r.IntN(999)), steps)
	}
	f.Fuzz(func(t *testing.T, q uint16, steps []byte) {
		type seen struct {
			turn int64
			d    time.Duration
		}
		var w Window
		var all []seen
		var now time.Duration
		for steps = steps[:min(len(steps), 300)]; len(steps) >= 3; steps = steps[3:] {
			now += time.Duration(steps[0]) * time.Duration(steps[0]) * time.Millisecond
			d := time.Duration(steps[1]) << (steps[2] % 48)
			for range int(steps[2]) % 64 { // so that quantiles are known
				w.Record(now, d)
				all = append(all, seen{turnAt(now), d})
			}
			var in []time.Duration
			for _, s := range all {
				if s.turn > turnAt(now)-parts {
					in = append(in, s.d)
				}
			}
			snapshot := w.count(now)
			if snapshot.Count() != len(in) {
				t.Fatalf("at %v %d are counted of %d", now, snapshot.Count(), len(in))
			}
			if len(in) == 0 {
				continue
			}
			slices.Sort(in)
			permille := int(q%999) + 1
			got, known := snapshot.Quantile(permille)
			if want := exact(in, permille); known && want < 1<<maxBits && !near(got, want) {
				t.Fatalf("at %v quantile %d of %d is %v, exactly %v", now, permille, len(in), got, want)
			}
		}
	})
}

// Nothing is lost while many count, other than at a turn.
func TestManyCountAtOnce(t *testing.T) {
	const goroutines, each = 8, 2000
	var w Window
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				w.Record(time.Duration(i)*time.Millisecond, time.Duration(g*i)*time.Microsecond)
				w.At(time.Duration(i) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if n := w.count(each * time.Millisecond).Count(); n != goroutines*each {
		t.Errorf("%d of %d counted", n, goroutines*each)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	var w Window
	w.At(0)
	if n := testing.AllocsPerRun(1000, func() {
		w.Record(time.Second/2, time.Millisecond)
		_, _ = w.At(time.Second / 2).Quantile(950)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWindow(b *testing.B) {
	b.Run("record", func(b *testing.B) {
		var w Window
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := time.Duration(0); pb.Next(); i++ {
				w.Record(i, i<<10)
			}
		})
	})
	b.Run("quantile", func(b *testing.B) {
		var w Window
		for range 1000 {
			w.Record(0, time.Millisecond)
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				w.At(0).Quantile(950)
			}
		})
	})
	b.Run("snapshot", func(b *testing.B) {
		var w Window
		for b.Loop() {
			w.count(0)
		}
	})
}
