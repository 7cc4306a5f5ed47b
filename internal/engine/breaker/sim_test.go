package breaker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// An outage is one client, of 100 calls a second, whose service fails for a
// while. Good calls take 5 ms.
type outage struct {
	policy   policy.Breaker
	lasts    time.Duration
	verdict  outcome.Verdict // how calls fail meanwhile
	takes    time.Duration   // after so long
	failures float64         // the part of the calls that does
}

// An aftermath is what came of an outage.
type aftermath struct {
	opened time.Duration // after the outage began
	hit    int           // calls that the failing service had to fail
	closed time.Duration // after it was over, for good
}

func (o outage) play(seed uint64) aftermath {
	const begin, tick = 30 * time.Second, time.Millisecond
	type pending struct {
		ticket  Ticket
		verdict outcome.Verdict
	}
	var (
		rnd    = rand.New(rand.NewPCG(seed, 0))
		b      = New(o.policy, start)
		ends   = make(map[time.Duration][]pending)
		result aftermath
		phase  = time.Duration(rnd.IntN(10)) * tick
		healed = begin + o.lasts
	)
	for at := time.Duration(0); at < healed+3*time.Minute; at += tick {
		now := start + at
		for _, p := range ends[at] {
			if c := b.Done(now, p.ticket, p.verdict, rnd.Uint64()); c != nil && c.To == Open && result.opened == 0 {
				result.opened = at - begin
			} else if c != nil && c.To == Closed {
				result.closed = max(at-healed, 0)
			}
		}
		delete(ends, at)
		if at%(10*tick) != phase {
			continue
		}
		t, d, _ := b.Allow(now, rnd.Uint64())
		if d.Denied() {
			continue
		}
		p, takes := pending{t, outcome.Success}, 5*tick
		if at >= begin && at < healed && rnd.Float64() < o.failures {
			p.verdict, takes = o.verdict, o.takes
			result.hit++
		}
		ends[at+takes] = append(ends[at+takes], p)
	}
	if b.State() != Closed {
		result.closed = -1
	}
	return result
}

func TestAServiceThatFailsIsLeftAloneAndComesBack(t *testing.T) {
	const seeds = 10
	house, growing := policy.HouseBreaker(), policy.HouseBreaker()
	growing.MaxOpen = time.Minute
	// Calls that were made before the service healed may take as long as they do
	// to say so; and closing takes a few trials.
	const soon = 5*time.Second + 100*time.Millisecond
	for _, c := range []struct {
		name string
		o    outage
		hit  int           // at most
		back time.Duration // at most
	}{
		{"2 s", outage{house, 2 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 200, 0},
		{"6 s", outage{house, 6 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 510, soon},
		{"6 s, calls hang for 1 s", outage{house, 6 * time.Second, outcome.Expired, time.Second, 1}, 610, soon},
		{"20 s", outage{house, 20 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 520, soon},
		{"60 s", outage{house, 60 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 550, soon},
		{"300 s", outage{house, 300 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 750, soon},
		{"20 s, calls hang for 1 s", outage{house, 20 * time.Second, outcome.Expired, time.Second, 1}, 620, soon},
		{"60 s, calls hang for 10 s", outage{house, 60 * time.Second, outcome.Expired, 10 * time.Second, 1}, 1600, soon},
		{"60 s, four of five fail", outage{house, 60 * time.Second, outcome.Fault, 2 * time.Millisecond, 0.8}, 550, soon},
		{"60 s, growth", outage{growing, 60 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 520, 61 * time.Second},
		{"300 s, growth", outage{growing, 300 * time.Second, outcome.Fault, 2 * time.Millisecond, 1}, 530, 61 * time.Second},
	} {
		var worst aftermath
		var back time.Duration
		for seed := range uint64(seeds) {
			a := c.o.play(seed)
			if a.closed < 0 {
				t.Fatalf("%s: it never closed again", c.name)
			}
			back += a.closed / seeds
			worst.opened, worst.hit, worst.closed = max(worst.opened, a.opened), max(worst.hit, a.hit), max(worst.closed, a.closed)
		}
		calls := int(c.o.lasts / (10 * time.Millisecond))
		t.Logf("%-26s open after %6v, hit by %4d of %5d calls, closed again after %6v (mean %v)",
			c.name, worst.opened, worst.hit, calls, worst.closed, back.Round(time.Millisecond))
		if worst.hit > c.hit || worst.closed > c.back {
			t.Errorf("%s: %+v", c.name, worst)
		}
	}
}

// A service can do 1000 calls a second, and refuses what is more; to refuse
// costs it a third of a call. Fifty clients want three times as much for a
// minute, and after that half of what it can do.
func TestAServiceThatRefusesDoesWhatItCan(t *testing.T) {
	play := func(p policy.Breaker) (good, sent, after int, back time.Duration) {
		const clients, tick = 50, 10 * time.Millisecond
		rnd, lengths := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
		var all [clients]*Breaker
		for i := range all {
			all[i] = New(p, start)
		}
		for at := time.Duration(0); at < 2*time.Minute; at += tick {
			now, want, units := start+at, 30, 30
			if at >= time.Minute {
				want = 5
			}
			type call struct {
				b *Breaker
				t Ticket
			}
			var calls []call
			for range want {
				b := all[rnd.IntN(clients)]
				if t, d, _ := b.Allow(now, rnd.Uint64()); !d.Denied() {
					calls = append(calls, call{b, t})
				} else if at >= time.Minute {
					back = at + tick - time.Minute
				}
			}
			// It refuses what it has no room for beside the cost of refusing.
			accepts := len(calls)
			if 3*accepts > units {
				accepts = max(0, (units-len(calls))/2)
			}
			for i, c := range calls {
				v := outcome.Success
				if i >= accepts {
					v = outcome.Refusal
				}
				c.b.Done(now, c.t, v, lengths.Uint64())
			}
			switch {
			case at >= 20*time.Second && at < time.Minute:
				good += accepts
				sent += len(calls)
			case at >= 65*time.Second:
				after += accepts
			}
		}
		return good / 40, sent / 40, after / 55, back
	}
	arms := map[string]policy.Breaker{"nothing": {}, "house": policy.HouseBreaker()}
	circuit := policy.HouseBreaker()
	circuit.Throttle = policy.Throttle{}
	arms["circuit without throttle"] = circuit
	goodput := make(map[string]int)
	for _, name := range []string{"nothing", "circuit without throttle", "house"} {
		good, sent, after, back := play(arms[name])
		goodput[name] = good
		t.Logf("%-25s of 3000/s wanted %4d/s sent, %3d/s good; from 5 s after on %d/s of 500/s, the last call denied after %v", name, sent, good, after, back)
		if name == "house" && (good < 700 || after < 475 || back > 20*time.Second) {
			t.Errorf("%d/s good, %d/s after, the last denied after %v", good, after, back)
		}
	}
	if goodput["house"] < 2*goodput["nothing"] {
		t.Error("the throttle gains nothing")
	}
}
