package liveness

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A fuzzed connection, with what its books say of it.
type fuzzed struct {
	Connection
	kernel   Socket
	told     bool // the kernel can be asked
	inFlight int

	probes, ends     int           // of probes
	suspects, clears int           // of suspicions
	front            time.Duration // when a byte in front of the probe was acknowledged
}

// play is what a byte can make happen, besides a check.
func (f *fuzzed) play(e byte) (wake bool) {
	sub := e >> 6
	switch e & 7 {
	case 0:
		f.inFlight++
		return f.Sent()
	case 1:
		if sub == 3 {
			return f.Ask()
		}
		f.ProbeSent(f.number - uint64(sub&1))
	case 2:
		f.kernel.Unread++
		if sub != 3 {
			f.kernel.Unread = 0
			f.Read.Add(1)
		}
	case 3, 4:
		if f.inFlight > 0 {
			f.inFlight--
			f.Over(e&7 == 3)
		}
	case 5:
		switch sub {
		case 0:
			f.Written.Add(1)
			f.kernel.Unsent++
		case 1:
			f.kernel.Unacked, f.kernel.Unsent = f.kernel.Unacked+f.kernel.Unsent, 0
		case 2:
			f.kernel.Acked, f.kernel.Unacked = f.kernel.Acked+f.kernel.Unacked, 0
		default:
			f.told = !f.told
		}
	case 6:
		if sub == 3 {
			f.Writing.Store(!f.Writing.Load())
		} else {
			f.ProbeOver(f.number - uint64(sub&1))
		}
	}
	return false
}

// look says what the kernel knows, as the driver does.
func (f *fuzzed) look(now time.Duration) {
	if !f.Probing() || !f.told {
		return
	}
	if f.end > 0 && f.acked < f.end && f.kernel.Acked > f.acked {
		f.front = now
	}
	f.Look(f.kernel)
}

// obey keeps the books.
func (f *fuzzed) obey(a Action) {
	switch a {
	case Probe:
		f.probes++
	case Suspect:
		f.suspects++
	case Clear:
		f.clears++
		if f.probes > f.ends {
			f.ends++
		}
	case Condemn:
		f.clears++
		f.ends++
	case Inconclusive, Answered:
		f.ends++
	}
}

// balance returns what is wrong with the books after a check.
func (f *fuzzed) balance(dry bool) string {
	suspect := f.state == suspected || f.state == probed
	switch {
	case f.probes != f.ends+count(f.Probing()):
		return "probes begun are not probes ended and running"
	case f.suspects != f.clears+count(suspect):
		return "suspicions begun are not suspicions ended and lasting"
	case f.Suspect() != (!dry && (suspect || f.state == condemned)):
		return "what is published is not what was decided"
	}
	return ""
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// guilty reports whether there was evidence for a connection that was condemned.
func (f *fuzzed) guilty(now, timeout time.Duration, looked bool) bool {
	return f.Written.Load() != f.wrote && now-f.began >= timeout &&
		(!looked || f.kernel.Unread == 0 && f.kernel.Acked+f.kernel.Unacked >= f.end && now-max(f.front, f.began) >= timeout)
}

// FuzzCheck plays any events to a group of up to eight connections: each byte
// is an event, a connection or a time. After each check the books must balance.
func FuzzCheck(f *testing.F) {
	f.Add(uint8(3), []byte{0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(2), []byte{0, 7, 7, 7, 7, 7, 5, 1, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(2), []byte{0, 197, 7, 7, 7, 7, 7, 5, 1, 7, 69, 7, 133, 7, 7, 7, 7, 7, 2, 7, 0, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(8), []byte{0, 8, 16, 24, 32, 40, 48, 56, 7, 7, 7, 7, 7, 7, 5, 1, 13, 9, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(4), []byte{0, 8, 16, 24, 255, 7, 2, 10, 18, 26, 7, 7, 193, 201, 7, 7, 7})
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 128 {
		events := make([]byte, 400)
		for i := range events {
			events[i] = byte(r.Uint32())
			if r.IntN(3) > 0 {
				events[i] = 7 // time passes
			}
		}
		f.Add(uint8(n), events)
	}
	f.Fuzz(func(t *testing.T, n uint8, events []byte) {
		p := quick()
		p.DryRun = n&8 != 0
		g := New(p)
		all := make([]*fuzzed, n%8+1)
		connections := make([]*Connection, len(all))
		for i := range all {
			all[i] = new(fuzzed)
			connections[i] = &all[i].Connection
		}
		now, due := time.Second, time.Second
		check := func() {
			read, was, looked := make([]uint64, len(all)), make([]state, len(all)), make([]bool, len(all))
			for i, c := range all {
				c.look(now)
				read[i], was[i], looked[i] = c.read, c.state, c.known
			}
			late := due > 0 && now > due+p.Silence/checksPerSilence && !g.late
			orders, next := g.Check(now, connections)
			due = next
			if next > 0 && next <= now {
				t.Fatalf("next check at %v, now it is %v", next, now)
			}
			bad := len(g.closed)
			for _, o := range orders {
				all[o.Index].obey(o.Action)
			}
			for i, c := range all {
				bad += count(c.state == suspected || c.state == probed)
				if wrong := c.balance(p.DryRun); wrong != "" {
					t.Fatalf("connection %d: %s", i, wrong)
				}
				if c.Read.Load() != read[i] && c.state != condemned && (c.Suspect() || c.Probing() && c.began != now) {
					t.Fatalf("connection %d is in doubt though something was read", i)
				}
				if was[i] == condemned && c.state != condemned {
					t.Fatalf("connection %d is condemned no more", i)
				}
				if c.waits > now || c.quiet > now || c.began > now || c.since > now || c.moved > now {
					t.Fatalf("connection %d: measures begin in the future", i)
				}
			}
			// The closed that are forgotten make room, so the bound holds when one
			// is added, not for ever.
			for _, o := range orders {
				c := all[o.Index]
				switch o.Action {
				case Suspect:
					if bad > (len(all)+len(g.closed))/2 || len(all) == 1 {
						t.Fatalf("%d are suspected or closed of %d", bad, len(all))
					}
				case Condemn:
					if !c.guilty(now, p.ProbeTimeout, looked[o.Index]) {
						t.Fatalf("connection %d is condemned without evidence", o.Index)
					}
					if late {
						t.Fatalf("connection %d is condemned by a check that was late", o.Index)
					}
				case Probe:
					if c.number == 0 || o.Probe != c.number {
						t.Fatalf("connection %d: probe %d is ordered, not %d", o.Index, o.Probe, c.number)
					}
				case Inconclusive, Clear, Answered:
				}
			}
		}
		check()
		for _, e := range events {
			if e&7 == 7 {
				if e == 255 {
					now += time.Second // held up
				}
				now = max(now, due, now+time.Millisecond)
				check()
				continue
			}
			if all[int(e>>3)%len(all)].play(e) {
				due = now
			}
		}
	})
}
