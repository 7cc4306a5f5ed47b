package liveness

import (
	"testing"
	"time"
)

// FuzzCheck plays any events to a group of up to eight connections: each byte
// is an event, a connection or a time. After each check the books must balance.
func FuzzCheck(f *testing.F) {
	f.Add(uint8(3), []byte{0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(2), []byte{0, 7, 7, 7, 7, 7, 32, 1, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(8), []byte{0, 8, 16, 24, 32, 40, 48, 56, 7, 7, 7, 7, 7, 7, 5, 1, 13, 9, 7, 7, 7, 7, 7, 7})
	f.Add(uint8(4), []byte{0, 8, 16, 24, 255, 7, 2, 10, 18, 26, 7, 7})
	f.Fuzz(func(t *testing.T, n uint8, events []byte) {
		p := quick()
		g := New(p)
		connections := make([]*Connection, n%8+1)
		inFlight := make([]int, len(connections))
		probing := make([]bool, len(connections))
		for i := range connections {
			connections[i] = new(Connection)
		}
		now, due := time.Second, time.Second
		check := func() {
			read := make([]uint64, len(connections))
			state := make([]state, len(connections))
			for i, c := range connections {
				read[i], state[i] = c.read, c.state
			}
			orders, next := g.Check(now, connections)
			due = next
			if next > 0 && next <= now {
				t.Fatalf("next check at %v, now it is %v", next, now)
			}
			bad := len(g.closed)
			for i, c := range connections {
				if c.state == suspected || c.state == probed {
					bad++
				}
				if c.Suspect() != (c.state != trusted) {
					t.Fatalf("connection %d is published as suspect %v", i, c.Suspect())
				}
				if c.Read.Load() != read[i] && c.state != trusted && c.state != condemned {
					t.Fatalf("connection %d is suspect though something was read", i)
				}
				if state[i] == condemned && c.state != condemned {
					t.Fatalf("connection %d is condemned no more", i)
				}
				if c.waits > now || c.quiet > now || c.began > now {
					t.Fatalf("connection %d: measures begin in the future", i)
				}
			}
			// The closed that are forgotten make room, so the bound holds when one
			// is added, not for ever.
			for _, o := range orders {
				c := connections[o.Index]
				switch o.Action {
				case Suspect:
					if bad > (len(connections)+len(g.closed))/2 || len(connections) == 1 {
						t.Fatalf("%d are suspected or closed of %d", bad, len(connections))
					}
				case Probe:
					if probing[o.Index] {
						t.Fatalf("connection %d has two probes", o.Index)
					}
					probing[o.Index] = true
				case Inconclusive, Clear:
					probing[o.Index] = false
				case Condemn:
					if !probing[o.Index] || c.Written.Load() == c.wrote || now-c.began < p.ProbeTimeout {
						t.Fatalf("connection %d is condemned without evidence", o.Index)
					}
				}
			}
		}
		check()
		for _, e := range events {
			i := int(e>>3) % len(connections)
			c := connections[i]
			switch e & 7 {
			case 0:
				inFlight[i]++
				if c.Sent() {
					due = now
				}
			case 1:
				c.ProbeSent()
			case 2:
				c.Read.Add(1)
			case 3, 4:
				if inFlight[i] > 0 {
					inFlight[i]--
					c.Over(e&7 == 3)
				}
			case 5:
				c.Written.Add(1)
			case 6:
				c.ProbeOver()
			default:
				if e == 255 {
					now += time.Second // held up
				}
				now = max(now, due, now+time.Millisecond)
				check()
			}
		}
	})
}
