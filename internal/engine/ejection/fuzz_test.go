package ejection

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// edges are the ways that there are between states.
var edges = map[[2]State]bool{
	{In, Ejected}: true, {Ejected, OnTrial}: true, {OnTrial, Ejected}: true, {OnTrial, Returning}: true,
	{Returning, In}: true, {Returning, Ejected}: true,
	{Ejected, In}: true, {OnTrial, In}: true, // too few others are left, or it is off
}

// FuzzSweep plays any events to a fleet of up to eight endpoints that come and
// go. After each sweep the books must balance.
func FuzzSweep(f *testing.F) {
	f.Add(uint8(3), []byte{0, 9, 17, 7, 1, 1, 1, 1, 1, 1, 7, 255, 255, 5, 5, 7, 0, 7, 7, 7})
	f.Add(uint8(8), []byte{1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 17, 17, 17, 17, 17, 25, 25, 25, 25, 25, 7, 6, 6, 6, 7, 255, 255})
	f.Add(uint8(2), []byte{1, 1, 1, 1, 1, 7, 255, 255, 255, 5, 0, 7, 0, 7, 255, 7})
	f.Fuzz(func(t *testing.T, n uint8, events []byte) {
		p := policy.HouseEjection()
		fleet := New(p)
		all := make([]*Record, n%8+1)
		for i := range all {
			all[i] = new(Record)
		}
		present := all
		taken := make(map[*Record]int)
		now := time.Second
		sweep := func() {
			before := make([]State, len(present))
			for i, r := range present {
				before[i] = r.state
			}
			changes, next := fleet.Sweep(now, present, uint64(now)*uint64(len(events)))
			if next != 0 && next <= now {
				t.Fatalf("next sweep at %v, now it is %v", next, now)
			}
			for _, c := range changes {
				r := present[c.Index]
				if before[c.Index] != c.From || !edges[[2]State{c.From, c.To}] || c.Why == "" {
					t.Fatalf("endpoint %d went from %v to %v: %q", c.Index, c.From, c.To, c.Why)
				}
				before[c.Index] = c.To
				if c.To == Ejected {
					if d := r.until - now; d > p.Max || d < p.Base*3/4-1 {
						t.Fatalf("ejected for %v", d)
					}
				}
				if c.To == OnTrial {
					taken[r] = 0
				}
			}
			out := 0
			for i, r := range present {
				if r.state != before[i] {
					t.Fatalf("endpoint %d is %v, and the changes say %v", i, r.state, before[i])
				}
				if r.state.out() {
					out++
				}
				if r.Out() != r.state.out() {
					t.Fatalf("endpoint %d is %v, and published as out %v", i, r.state, r.Out())
				}
				if w := r.Weight(); w > 100 || w < firstWeight || r.state == In && w != 100 {
					t.Fatalf("endpoint %d is %v and weighs %d", i, r.state, w)
				}
				if left := r.trials.Load() & trialsLeft; r.state != OnTrial && left > 0 {
					t.Fatalf("endpoint %d is %v and has %d trials", i, r.state, left)
				} else if r.state == OnTrial && int(left)+taken[r] != int(r.granted) {
					t.Fatalf("endpoint %d: %d trials left and %d taken of %d", i, left, taken[r], r.granted)
				}
				if r.state == OnTrial && (r.granted < 1 || r.granted > maxTrials || r.granted > 1 && uint64(r.granted)*trialShare > fleet.results-r.before) {
					t.Fatalf("endpoint %d: %d trials for %d attempts of the fleet", i, r.granted, fleet.results-r.before)
				}
				sum := bucket{}
				var ring [buckets]bucket
				if r.ring != nil {
					ring = *r.ring
				}
				for _, b := range ring {
					sum.add(b)
				}
				if sum.failed > sum.results || sum.timed > 2*sum.results || sum.slow > sum.timed || r.bad != sum.failed+sum.slow {
					t.Fatalf("endpoint %d: %+v", i, sum)
				}
			}
			if out != fleet.out || out > fleet.limit(len(present)) || out > 0 && out >= len(present) {
				t.Fatalf("%d out, counted as %d, of %d", out, fleet.out, len(present))
			}
		}
		for _, e := range events {
			r := all[int(e>>3)%len(all)]
			switch e & 7 {
			case 0:
				r.Add(now, outcome.Good, time.Duration(e)*100*time.Microsecond)
			case 1:
				r.Add(now, outcome.Bad, time.Duration(e)*time.Millisecond)
			case 2:
				r.Add(now, outcome.RateOnly, 0)
			case 3:
				for _, r := range all {
					for range 3 {
						r.Add(now, outcome.Good, time.Duration(e)*10*time.Microsecond)
					}
				}
			case 4:
				r.Add(now, outcome.Evidence(e>>3), time.Second)
			case 5:
				if r.TakeTrial(now) {
					taken[r]++
				}
			case 6: // all but some have a connection
				present = all[:1+int(e>>3)%len(all)]
			default:
				now += time.Duration(1+int(e>>3)*20) * 10 * time.Millisecond
				sweep()
			}
		}
	})
}
