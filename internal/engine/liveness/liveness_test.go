package liveness

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

const ms = time.Millisecond

// A peer is what is behind one connection in a test.
type peer struct {
	answersAfter time.Duration // of attempts; 0 is never
	probesAfter  time.Duration // of probes; 0 is never
	queues       bool          // the probe gets no stream
	blocks       bool          // nothing is written
}

// condemnedAfter runs one attempt on the first of n connections to such a peer,
// and returns when it was condemned, how many probes there were, and whether it
// is suspect in the end.
func condemnedAfter(pol policy.Liveness, n int, p peer, lasting time.Duration) (at time.Duration, probes int, suspect bool) {
	const start = time.Second
	g := New(pol)
	connections := make([]*Connection, n)
	for i := range connections {
		connections[i] = new(Connection)
	}
	c := connections[0]
	_, due := g.Check(1, connections)
	var probe time.Duration
	var number uint64
	for now := start; now < start+lasting; now += ms {
		switch {
		case now == start:
			if !p.blocks {
				c.Written.Add(100)
			}
			if c.Sent() {
				due = now
			}
		case p.answersAfter > 0 && now == start+p.answersAfter:
			c.Read.Add(100)
			c.Over(false)
		}
		if probe > 0 && now == probe+ms && !p.queues {
			c.ProbeSent(number)
			if !p.blocks {
				c.Written.Add(50)
			}
		}
		if probe > 0 && p.probesAfter > 0 && now == probe+p.probesAfter && !p.queues {
			c.Read.Add(50)
			c.ProbeOver(number)
		}
		if due == 0 || now < due {
			continue
		}
		var orders []Order
		orders, due = g.Check(now, connections)
		for _, o := range orders {
			switch o.Action {
			case Probe:
				probe, number = now, o.Probe
				probes++
			case Condemn:
				return now - start, probes, c.Suspect()
			case Suspect, Clear, Inconclusive, Answered:
			}
		}
	}
	return 0, probes, c.Suspect()
}

func TestWhatIsCondemned(t *testing.T) {
	house := quick()
	off, dry, nobody, quick := house, house, house, house
	off.Off, dry.DryRun, nobody.MaxPercent = true, true, 0
	quick.Silence, quick.ProbeTimeout = 40*ms, 40*ms
	for _, c := range []struct {
		name        string
		p           policy.Liveness
		n           int
		peer        peer
		condemned   time.Duration // at most; 0 is never
		least, most int           // probes in 5 s
		suspect     bool
	}{
		{"a peer that answers", house, 2, peer{answersAfter: 20 * ms}, 0, 0, 0, false},
		{"one that answers just in time", house, 2, peer{answersAfter: 240 * ms}, 0, 0, 0, false},
		{"one that hangs", house, 2, peer{}, 520 * ms, 1, 1, true},
		{"one that hangs, of many", house, 100, peer{}, 520 * ms, 1, 1, true},
		{"one that hangs, found quickly", quick, 2, peer{}, 100 * ms, 1, 1, true},
		{"the only one", house, 1, peer{}, 0, 0, 0, false},
		{"one that is slow", house, 2, peer{answersAfter: 4 * time.Second, probesAfter: 5 * ms}, 0, 2, 5, false},
		{"one that never ends, and lives", house, 2, peer{probesAfter: 5 * ms}, 0, 2, 5, false},
		{"one whose probe comes late", house, 2, peer{probesAfter: 190 * ms}, 0, 2, 5, false},
		{"one that is overloaded", house, 2, peer{queues: true}, 0, 2, 5, true},
		{"one to which nothing is written", house, 2, peer{blocks: true}, 0, 2, 5, true},
		{"one that hangs, off", off, 2, peer{}, 0, 0, 0, false},
		{"one that hangs, none may be suspected", nobody, 2, peer{}, 0, 0, 0, false},
		{"one that hangs, decided and not done", dry, 2, peer{}, 520 * ms, 1, 1, false},
	} {
		at, probes, suspect := condemnedAfter(c.p, c.n, c.peer, 5*time.Second)
		if (at > 0) != (c.condemned > 0) || at > c.condemned {
			t.Errorf("%s: condemned after %v, want %v", c.name, at, c.condemned)
		}
		if probes < c.least || probes > c.most {
			t.Errorf("%s: %d probes, want %d to %d", c.name, probes, c.least, c.most)
		}
		if suspect != c.suspect {
			t.Errorf("%s: suspect %v, want %v", c.name, suspect, c.suspect)
		}
	}
}

func TestRoomIsAShareRoundedDownAndNeverAll(t *testing.T) {
	for _, c := range []struct{ percent, of, want int }{
		{50, 0, -1}, {50, 1, 0}, {50, 2, 1}, {50, 3, 1}, {50, 4, 2}, {33, 100, 33}, {1, 99, 0}, {1, 100, 1},
		{100, 1, 0}, {100, 2, 1}, {100, 10, 9}, {0, 10, 0}, {99, 100, 99},
	} {
		if got := room(policy.Liveness{MaxPercent: c.percent}, c.of); got != c.want {
			t.Errorf("%d %% of %d: %d, want %d", c.percent, c.of, got, c.want)
		}
	}
}

// A dry run says what it would do to a connection that hangs, and goes on; it says
// it again ever more rarely.
func TestADryRunCondemnsAgainAndDoesNothing(t *testing.T) {
	p := quick()
	p.DryRun = true
	g, c := New(p), new(Connection)
	all := []*Connection{c, new(Connection), new(Connection), new(Connection), new(Connection)}
	g.Check(1, all)
	c.Sent()
	var condemned []time.Duration
	for now, due := time.Second, time.Second; now < time.Minute; now += ms {
		if now < due {
			continue
		}
		var orders []Order
		orders, due = g.Check(now, all)
		for _, o := range orders {
			if o.Action == Probe {
				c.Written.Add(1)
				c.ProbeSent(o.Probe)
			}
			if o.Action == Condemn {
				condemned = append(condemned, now)
			}
		}
		if c.Suspect() {
			t.Fatalf("suspect at %v", now)
		}
	}
	for i := 1; i < len(condemned); i++ {
		if between, least := condemned[i]-condemned[i-1], p.Silence<<min(i, longest); between < least || between > least+p.Silence+p.ProbeTimeout {
			t.Errorf("condemned again after %v, want a little more than %v", between, least)
		}
	}
	if n := len(condemned); n < 8 || n > 12 {
		t.Errorf("condemned at %v", condemned)
	}
}

func TestActionsHaveWords(t *testing.T) {
	for a, want := range []string{"", "suspect", "probe", "inconclusive", "clear", "condemn", "answered", ""} {
		if got := Action(a).String(); got != want {
			t.Errorf("%d is %q, want %q", a, got, want)
		}
	}
}

func TestOffClearsSuspects(t *testing.T) {
	g, a := New(quick()), new(Connection)
	all := []*Connection{a, new(Connection)}
	g.Check(1, all)
	a.Sent()
	now := time.Second
	for range 6 {
		_, now = g.Check(now, all)
	}
	if !a.Suspect() {
		t.Fatal("not suspect")
	}
	g.Configure(policy.Liveness{Off: true})
	if _, next := g.Check(now, all); a.Suspect() || next != 0 {
		t.Errorf("suspect %v, next check at %v", a.Suspect(), next)
	}
}

// While nothing is in flight no timer runs, and the first attempt starts it.
func TestNothingIsCheckedWhileNothingIsInFlight(t *testing.T) {
	g, c := New(quick()), new(Connection)
	if _, next := g.Check(1, []*Connection{c}); next != 0 {
		t.Fatalf("next check at %v", next)
	}
	if !c.Sent() || c.Sent() {
		t.Error("the first attempt wakes, and only that")
	}
	if _, next := g.Check(time.Second, []*Connection{c}); next == 0 {
		t.Error("no check while an attempt waits")
	}
	c.Read.Add(1)
	c.Over(false)
	c.Over(false)
	if _, next := g.Check(2*time.Second, []*Connection{c}); next != 0 {
		t.Errorf("next check at %v", next)
	}
}

func TestCallsAndChecksAtOnce(t *testing.T) {
	g, c := New(quick()), new(Connection)
	all := []*Connection{c, new(Connection)}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				c.Sent()
				c.Written.Add(1)
				c.Suspect()
				c.ProbeSent(uint64(i))
				c.ProbeOver(uint64(i))
				c.Ask()
				c.Read.Add(1)
				c.Over(i%3 == 0)
			}
		})
	}
	for i := range 1000 {
		g.Check(time.Duration(i+1)*ms, all)
	}
	wg.Wait()
}

func BenchmarkAttempt(b *testing.B) {
	c := new(Connection)
	b.ReportAllocs()
	for b.Loop() {
		c.Sent()
		c.Over(false)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			g := New(quick())
			all := make([]*Connection, n)
			for i := range all {
				all[i] = new(Connection)
			}
			now := time.Second
			b.ReportAllocs()
			for b.Loop() {
				for _, c := range all {
					c.Sent()
					c.Read.Add(1)
				}
				now += 50 * ms
				g.Check(now, all)
			}
		})
	}
}

// quick is a policy that condemns half a second after the first attempt.
func quick() policy.Liveness {
	return policy.Liveness{Silence: 250 * time.Millisecond, ProbeTimeout: 200 * time.Millisecond, MaxPercent: 50}
}
