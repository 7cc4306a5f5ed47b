package ejection

import (
	"container/heap"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// seeds is how many fleets of each kind are simulated.
var seeds = flag.Uint64("seeds", 1, "simulate so many fleets of each kind")

// A behaviour is how an endpoint treats one attempt at a time.
type behaviour func(now time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence)

// healthy answers around a typical latency, with a log-normal spread, and fails
// one attempt in a while.
func healthy(typical time.Duration, sigma, fails float64) behaviour {
	return func(_ time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence) {
		e := outcome.Good
		if rnd.Float64() < fails {
			e = outcome.Bad
		}
		return time.Duration(float64(typical) * math.Exp(sigma*rnd.NormFloat64())), e
	}
}

// slowed multiplies the latencies of another behaviour.
func slowed(by float64, b behaviour) behaviour {
	return func(now time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence) {
		d, e := b(now, rnd)
		return time.Duration(by * float64(d)), e
	}
}

// erring fails this part of the attempts with this evidence, faster than an
// answer takes.
func erring(part float64, e outcome.Evidence, b behaviour) behaviour {
	return func(now time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence) {
		d, good := b(now, rnd)
		if rnd.Float64() < part {
			return d / 4, e
		}
		return d, good
	}
}

// from puts another behaviour in place of the usual one for a while.
func from(start, end time.Duration, fault, usual behaviour) behaviour {
	return func(now time.Duration, rnd *rand.Rand) (time.Duration, outcome.Evidence) {
		if now >= start && now < end {
			return fault(now, rnd)
		}
		return usual(now, rnd)
	}
}

// A world is a channel in virtual time: calls come at random moments, go to
// the endpoints in turn by weight, trials first, and sweeps run when they are due.
type world struct {
	rnd       *rand.Rand
	fleet     *Fleet
	records   []*Record
	endpoints []behaviour
	rate      float64 // calls a second

	ends    attempts
	sent    func(at time.Duration, endpoint int, trial bool)
	decided func(at time.Duration, c Change)
	turns   []float64
	sweeps  int
}

// An ending is an attempt on its way.
type ending struct {
	at, latency time.Duration
	endpoint    int
	evidence    outcome.Evidence
}

type attempts []ending

func (a *attempts) Len() int           { return len(*a) }
func (a *attempts) Less(i, j int) bool { return (*a)[i].at < (*a)[j].at }
func (a *attempts) Swap(i, j int)      { (*a)[i], (*a)[j] = (*a)[j], (*a)[i] }
func (a *attempts) Push(x any)         { *a = append(*a, x.(ending)) }
func (a *attempts) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func newWorld(seed uint64, p policy.Ejection, rate float64, endpoints ...behaviour) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 5)), fleet: New(p), endpoints: endpoints, rate: rate, turns: make([]float64, len(endpoints))}
	for range endpoints {
		w.records = append(w.records, new(Record))
	}
	w.sent = func(time.Duration, int, bool) {}
	w.decided = func(time.Duration, Change) {}
	return w
}

func (w *world) run(until time.Duration) {
	arrival, due := time.Millisecond, time.Millisecond
	for {
		end := never
		if len(w.ends) > 0 {
			end = w.ends[0].at
		}
		now := min(arrival, due, end)
		if now >= until {
			return
		}
		switch now {
		case due:
			changes, next := w.fleet.Sweep(now, w.records, w.rnd.Uint64())
			w.sweeps++
			for _, c := range changes {
				w.decided(now, c)
			}
			if due = next; next == 0 {
				due = never
			}
		case end:
			a := heap.Pop(&w.ends).(ending)
			if w.records[a.endpoint].Add(now, a.evidence, a.latency) {
				due = min(due, now+time.Millisecond)
			}
		default:
			k, trial := w.pick(now)
			w.sent(now, k, trial)
			latency, e := w.endpoints[k](now, w.rnd)
			heap.Push(&w.ends, ending{now + latency, latency, k, e})
			arrival = now + time.Duration(w.rnd.ExpFloat64()/w.rate*float64(time.Second))
		}
	}
}

func (w *world) pick(now time.Duration) (k int, trial bool) {
	best, total := -1, 0.0
	for i, r := range w.records {
		if r.Out() {
			if r.TakeTrial(now) {
				return i, true
			}
			continue
		}
		weight := float64(r.Weight())
		w.turns[i] += weight
		total += weight
		if best < 0 || w.turns[i] > w.turns[best] {
			best = i
		}
	}
	if best < 0 {
		return w.rnd.IntN(len(w.records)), false
	}
	w.turns[best] -= total
	return best, false
}

func fleetOf(n int, b behaviour) []behaviour { return slices.Repeat([]behaviour{b}, n) }

// One endpoint of ten goes bad. From two seconds later its share of the
// attempts, trials included, is one in a hundred at most until it heals, and
// it has its full weight within 15 s after that.
func TestABadEndpointOfTenIsOutAndComesBack(t *testing.T) {
	const fault = 20 * time.Second
	for _, lasting := range []time.Duration{10 * time.Second, 30 * time.Second} {
		for _, typical := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond} {
			usual := healthy(typical, 0.5, 0)
			for _, kind := range []struct {
				name string
				b    behaviour
			}{
				{"10 × slower", slowed(10, usual)},
				{"every attempt fails", erring(1, outcome.Bad, usual)},
				{"every attempt is broken", erring(1, outcome.RateOnly, usual)},
				{"half of them fail", erring(0.5, outcome.Bad, usual)},
				{"half of them are broken", erring(0.5, outcome.RateOnly, usual)},
			} {
				for _, rate := range []float64{100, 300, 1000} {
					name := fmt.Sprintf("%s/%v/%v for %v/%v per s", kind.name, typical, "bad", lasting, rate)
					t.Run(name, func(t *testing.T) { shares(t, usual, kind.b, fault, lasting, rate) })
				}
			}
		}
	}
}

func shares(t *testing.T, usual, bad behaviour, fault, lasting time.Duration, rate float64) {
	t.Helper()
	var worst, sum float64
	var lastOut, lastBack time.Duration
	late, broken := 0, 0
	others := 0
	for seed := range *seeds {
		healed := fault + lasting
		endpoints := fleetOf(10, usual)
		endpoints[3] = from(fault, healed, bad, usual)
		w := newWorld(seed, policy.HouseEjection(), rate, endpoints...)
		var all, its int
		out, back := never, never
		w.sent = func(at time.Duration, k int, _ bool) {
			if at < fault+2*time.Second || at >= healed {
				return
			}
			all++
			if k == 3 {
				its++
			}
		}
		w.decided = func(at time.Duration, c Change) {
			switch {
			case c.Index != 3:
				if c.To == Ejected {
					others++
				}
			case c.To == Ejected && out == never:
				out = at - fault
			case c.To == In && at > healed:
				back = at - healed
			}
		}
		w.run(healed + 20*time.Second)
		share := float64(its) / float64(all)
		worst, sum = max(worst, share), sum+share
		if out > 2*time.Second {
			late++
		}
		if out > 2*time.Second+tick || share > 0.01 || back > 15*time.Second {
			broken++
		}
		lastOut, lastBack = max(lastOut, out), max(lastBack, back)
	}
	t.Logf("share %.2f%% (worst of %d seeds %.2f%%), out within %v (%d late), back within %v, %d others ejected",
		100*sum/float64(*seeds), *seeds, 100*worst, lastOut.Round(time.Millisecond), late, lastBack.Round(time.Millisecond), others)
	// Half of ten calls a second cannot be told from luck in every case.
	if sum/float64(*seeds) > 0.007 || broken > int(*seeds+9)/20 {
		t.Error("that breaks the promise")
	}
}
