package ejection

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

const ms = time.Millisecond

func TestATallyKeepsCountAndMeanThroughAWrap(t *testing.T) {
	for _, start := range []uint64{0, 1<<countBits - 2, math.MaxUint64 - 1<<30, math.MaxUint64} {
		after, sum := start, 0.0
		const n = 1000
		for i := range n {
			d := time.Duration(1+i*i) * time.Microsecond
			after += tallyOf(d)
			sum += math.Log2(float64(d))
		}
		got, logs := between(start, after)
		if got != n || math.Abs(float64(logs)/n-sum/n) > 0.1 {
			t.Errorf("from %d: %d with mean %v, want %d with %v", start, got, logs/n, n, sum/n)
		}
	}
}

func TestALogarithmIsMonotonousAndClose(t *testing.T) {
	before := uint64(0)
	for d := time.Duration(-1); d < time.Hour; d += 1 + d/50 {
		l := logarithm(d)
		if l < before {
			t.Fatalf("%v: %d after %d", d, l, before)
		}
		if want := math.Log2(float64(max(d, 1))); math.Abs(float64(l)/256-want) > 0.1 {
			t.Fatalf("%v: %v, want %v", d, float64(l)/256, want)
		}
		before = l
	}
}

func TestWhatCounts(t *testing.T) {
	for _, c := range []struct {
		e                                   outcome.Evidence
		latency                             time.Duration
		answers, late, slow, failed, streak uint32
	}{
		{outcome.Good, 5 * ms, 1, 0, 0, 0, 0},
		{outcome.Good, 50 * ms, 1, 0, 1, 0, 0},
		{outcome.Bad, 5 * ms, 0, 0, 0, 1, 2}, // no fast endpoint
		{outcome.Bad, 15 * ms, 0, 1, 0, 1, 2},
		{outcome.Bad, 50 * ms, 0, 1, 1, 1, 2},
		{outcome.RateOnly, 50 * ms, 0, 0, 0, 1, 1},
		{outcome.None, 50 * ms, 0, 0, 0, 0, 1},
		{outcome.Connection, 50 * ms, 0, 0, 0, 0, 1},
	} {
		r := new(Record)
		r.shared.Store(&shared{limit: 9, typical: 10 * ms, slow: 30 * ms})
		r.streak.Store(1)
		r.Add(time.Hour, c.e, c.latency)
		answers, _ := between(0, r.answers.Load())
		late, _ := between(0, r.late.Load())
		if answers != c.answers || late != c.late || r.slow.Load() != c.slow || r.failed.Load() != c.failed || r.streak.Load() != c.streak {
			t.Errorf("%v after %v: answers %d, late %d, slow %d, failed %d, streak %d", c.e, c.latency,
				answers, late, r.slow.Load(), r.failed.Load(), r.streak.Load())
		}
	}
}

func TestTheLimitIsUrgentOnce(t *testing.T) {
	f, r := New(policy.HouseEjection()), new(Record)
	f.Sweep(1, []*Record{r}, 0)
	r.Add(time.Second, outcome.Good, ms) // wakes
	urgent := 0
	for i := range 20 {
		if r.Add(time.Second, outcome.Bad, ms) {
			urgent++
			if i != 4 {
				t.Errorf("failure %d is urgent", i+1)
			}
		}
	}
	if urgent != 1 {
		t.Errorf("%d urgent", urgent)
	}
}

func TestTrialsAreFewAndSpacedAndNeverDoubled(t *testing.T) {
	r := new(Record)
	if r.TakeTrial(time.Hour) {
		t.Error("a trial of an endpoint that is in")
	}
	r.trials.Store(uint64(time.Second)&^trialsLeft | 4)
	var mu sync.Mutex
	granted := make(map[time.Duration]int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for now := time.Duration(0); now < 5*time.Second; now += 10 * ms {
				if r.TakeTrial(now) {
					mu.Lock()
					granted[now]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for at, n := range granted {
		total += n
		if at < time.Second-8 {
			t.Errorf("%d at %v", n, at)
		}
	}
	if total != 4 {
		t.Errorf("%d trials, want 4", total)
	}
}

func TestPicksAndEndsDoNotShareACacheLine(t *testing.T) {
	var r Record
	if o := unsafe.Offsetof(r.answers); o%64 != 0 {
		t.Errorf("what ends write begins at %d", o)
	}
	if o := unsafe.Offsetof(r.history); o%64 != 0 {
		t.Errorf("what sweeps keep begins at %d", o)
	}
}

func TestAddAndSweepAtOnce(t *testing.T) {
	f := New(policy.HouseEjection())
	records := []*Record{new(Record), new(Record), new(Record)}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				now := time.Duration(i) * 5 * ms
				r := records[i%3]
				r.Out()
				r.Weight()
				r.TakeTrial(now)
				r.Add(now, outcome.Evidence((i+g)%5), time.Duration(i)*time.Microsecond)
			}
		})
	}
	for i := range 1000 {
		f.Sweep(time.Duration(i+1)*10*ms, records, uint64(i))
	}
	wg.Wait()
}

func TestAnAddAllocatesNothing(t *testing.T) {
	f, r := New(policy.HouseEjection()), new(Record)
	f.Sweep(1, []*Record{r}, 0)
	for e := outcome.None; e <= outcome.Connection; e++ {
		if n := testing.AllocsPerRun(100, func() { r.Add(time.Hour, e, ms) }); n != 0 {
			t.Errorf("%v: %v allocations", e, n)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, e := range []outcome.Evidence{outcome.Good, outcome.Bad, outcome.None} {
		b.Run(e.String(), func(b *testing.B) {
			f, r := New(policy.HouseEjection()), new(Record)
			f.Sweep(1, []*Record{r}, 0)
			b.ReportAllocs()
			for b.Loop() {
				r.Add(time.Hour, e, ms)
			}
		})
	}
	b.Run("good/parallel, one endpoint", func(b *testing.B) { parallel(b, 1) })
	b.Run("good/parallel, ten endpoints", func(b *testing.B) { parallel(b, 10) })
}

func parallel(b *testing.B, n int) {
	f := New(policy.HouseEjection())
	records := make([]*Record, n)
	for i := range records {
		records[i] = new(Record)
	}
	f.Sweep(1, records, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			records[i%n].Add(time.Hour, outcome.Good, ms)
		}
	})
}

func BenchmarkSweep(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		for _, busy := range []bool{false, true} {
			b.Run(fmt.Sprintf("endpoints=%d/busy=%v", n, busy), func(b *testing.B) {
				f := New(policy.HouseEjection())
				records := make([]*Record, n)
				for i := range records {
					records[i] = new(Record)
				}
				now := time.Second
				b.ReportAllocs()
				for b.Loop() {
					now += tick
					if busy {
						b.StopTimer()
						for i, r := range records {
							for k := range 4 {
								r.Add(now, outcome.Good, time.Duration(1+(i+k)%7)*ms)
							}
						}
						b.StartTimer()
					}
					f.Sweep(now, records, uint64(now))
				}
			})
		}
	}
}
