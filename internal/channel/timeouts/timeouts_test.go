package timeouts

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A thing is what may take too long, and when it was told that its time was up.
type thing struct {
	Link

	began time.Time
	goOn  func(*thing) bool

	mu       sync.Mutex
	told     []time.Duration
	lingered []time.Duration
}

func (x *thing) Linger() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lingered = append(x.lingered, time.Since(x.began))
}

func (x *thing) Expire() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.told = append(x.told, time.Since(x.began))
	return x.goOn == nil || !x.goOn(x)
}

func (x *thing) times() []time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.told)
}

// Whoever is stopped in time hears nothing, and everybody else once, at the time.
func TestEachThingExpiresOnceUnlessItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := New(time.Now())
		random := rand.New(rand.NewPCG(1, 2))
		lengths := []time.Duration{10 * time.Millisecond, shortest - 1, shortest, time.Second}
		things := make([]thing, 2000)
		stops := make([]time.Duration, len(things))
		var running sync.WaitGroup
		for i := range things {
			x, length := &things[i], lengths[random.IntN(len(lengths))]
			stops[i] = time.Duration(random.Int64N(int64(2*length))) + 1
			later := time.Duration(random.Int64N(int64(time.Second)))
			running.Go(func() {
				time.Sleep(later)
				x.began = time.Now()
				if lingers := lists.Of(length).Start(&x.Link, x, x.began.Sub(lists.epoch)); lingers != (length >= shortest) {
					t.Errorf("%v: lingers: %v", length, lingers)
				}
				time.Sleep(stops[i])
				if stopped := x.Stop(); stopped != (stops[i] < length) && stops[i] != length {
					t.Errorf("stopped after %v of %v: %v", stops[i], length, stopped)
				}
			})
		}
		running.Wait()
		synctest.Wait()
		for i := range things {
			told := things[i].times()
			length := things[i].list.timeout
			switch {
			case stops[i] < length && len(told) != 0:
				t.Errorf("stopped after %v of %v, and told after %v", stops[i], length, told)
			case stops[i] > length && (len(told) != 1 || told[0] != length):
				t.Errorf("stopped after %v of %v, and told after %v", stops[i], length, told)
			}
			switch l := things[i].lingered; {
			case length < shortest || stops[i] < Moment:
				if len(l) != 0 {
					t.Errorf("stopped after %v of %v, and lingered after %v", stops[i], length, l)
				}
			case stops[i] > 2*Moment && len(l) != 1, len(l) > 1, len(l) == 1 && (l[0] < Moment || l[0] > 2*Moment):
				t.Errorf("stopped after %v of %v, and lingered after %v", stops[i], length, l)
			}
		}
		if lists.young.ticks.Load() {
			t.Error("it goes on looking for what lingers, and there is nothing")
		}
		for i := range lists.young.shards {
			if ring := &lists.young.shards[i].ring; ring.next != ring || ring.prev != ring {
				t.Error("what is young holds on to something")
			}
		}
		for _, of := range *lists.byLen.Load() {
			for i := range of.shards {
				if ring := &of.shards[i].ring; ring.next != ring || ring.prev != ring {
					t.Error("a list holds on to something")
				}
			}
		}
	})
}

func TestWhatMustGoOnIsToldAgainUntilItIsStopped(t *testing.T) {
	for name, start := range map[string]func(*thing){
		"shared": func(x *thing) { New(x.began).Of(time.Second).Start(&x.Link, x, 0) },
		"alone":  func(x *thing) { New(x.began).StartAlone(&x.Link, x, 0, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &thing{began: time.Now(), goOn: func(*thing) bool { return true }}
				start(x)
				time.Sleep(3500 * time.Millisecond)
				x.Stop()
				time.Sleep(time.Minute)
				if got, want := x.times(), []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(got, want) {
					t.Errorf("told after %v, want %v", got, want)
				}
			})
		})
	}
}

// It may end while it is being told, and say that it goes on nevertheless.
func TestWhatIsStoppedWhileItIsToldDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := New(time.Now())
		x := &thing{began: time.Now(), goOn: func(x *thing) bool { x.Stop(); return true }}
		lists.Of(time.Second).Start(&x.Link, x, 0)
		time.Sleep(time.Minute)
		if got := x.times(); len(got) != 1 {
			t.Errorf("told after %v, want once", got)
		}
	})
}

// It may end while it is told that it lingers: it hears no more.
func TestWhatIsStoppedWhileItLingersIsNotToldAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := New(time.Now())
		x := &stopper{}
		lists.Of(time.Second).Start(&x.Link, x, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		if x.lingered != 1 || x.stopped || x.expired {
			t.Errorf("lingered %d times; stopped: %v; expired: %v", x.lingered, x.stopped, x.expired)
		}
	})
}

// A stopper is stopped while it is told that it lingers.
type stopper struct {
	Link

	lingered         int
	stopped, expired bool
}

func (x *stopper) Linger() {
	x.lingered++
	x.stopped = x.Stop()
}

func (x *stopper) Expire() bool {
	x.expired = true
	return true
}

// What must go on begins again at its end, when others that began before that end may
// still be young. Each has its end at its own time.
func TestWhatBeganEarlierEndsEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = 50 * time.Millisecond
		lists := New(time.Now())
		again := &thing{began: time.Now(), goOn: func(x *thing) bool { return len(x.told) < 2 }}
		lists.Of(length).Start(&again.Link, again, 0)
		time.Sleep(length - Moment/2)
		began := time.Now()
		// Their part of the list is chosen by their time.
		later := &thing{began: began}
		lists.Of(length).Start(&later.Link, later, began.Sub(lists.epoch)/shards*shards)
		time.Sleep(time.Minute)
		if later.list != again.list {
			t.Fatal("they are in different parts")
		}
		if a, l := again.times(), later.times(); !slices.Equal(a, []time.Duration{length, 2 * length}) || !slices.Equal(l, []time.Duration{length}) {
			t.Errorf("told after %v and %v", a, l)
		}
	})
}

// What is stopped is looked for where it began, then in its list, and may have begun
// again in between.
func TestALinkIsStoppedWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &thing{began: time.Now(), goOn: func(*thing) bool { return true }}
		New(x.began).Of(shortest).Start(&x.Link, x, 0)
		for range 5 {
			if here, _ := x.list.stop(&x.Link); here {
				t.Error("it is young, and found in its list")
			}
			time.Sleep(2 * Moment)
			synctest.Wait()
			if here, _ := x.young.stop(&x.Link); here {
				t.Error("it lingers, and is found where it began")
			}
			time.Sleep(shortest - 2*Moment)
			synctest.Wait() // it was told, and began again
		}
		if !x.Stop() || len(x.times()) != 5 {
			t.Errorf("told after %v", x.times())
		}
	})
}

func TestAZeroLinkMayBeStopped(t *testing.T) {
	var k Link
	if !k.Stop() || k.Started() {
		t.Error("it was started")
	}
}

// Those of other lengths neither wait for each other nor share a timer.
func TestAShortTimeDoesNotWaitForALongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := New(time.Now())
		long, short := &thing{began: time.Now()}, &thing{began: time.Now()}
		lists.Of(time.Hour).Start(&long.Link, long, 0)
		lists.Of(time.Second).Start(&short.Link, short, 0)
		time.Sleep(2 * time.Hour)
		if s, l := short.times(), long.times(); !slices.Equal(s, []time.Duration{time.Second}) || !slices.Equal(l, []time.Duration{time.Hour}) {
			t.Errorf("told after %v and %v", s, l)
		}
	})
}

type nothing struct{ n atomic.Int64 }

func (x *nothing) Linger() {}

func (x *nothing) Expire() bool { x.n.Add(1); return true }

func TestATimeCostsNoAllocation(t *testing.T) {
	lists := New(time.Now())
	var x nothing
	var warm Link
	lists.Of(time.Hour).Start(&warm, &x, 0)
	defer warm.Stop()
	links := make([]Link, 1001)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		lists.Of(time.Hour).Start(&links[i], &x, 0)
		links[i].Stop()
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStartAndStop(b *testing.B) {
	lists := New(time.Now())
	var x nothing
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var k Link
			lists.Of(time.Second).Start(&k, &x, time.Since(lists.epoch))
			k.Stop()
		}
	})
}
