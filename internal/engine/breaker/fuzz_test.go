package breaker

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// edges are the ways that there are between states.
var edges = map[[2]State]bool{
	{Closed, Open}: true, {Open, HalfOpen}: true, {HalfOpen, Open}: true, {HalfOpen, Closed}: true,
	{Open, Closed}: true, // no rule opens it any more
}

// A ledger is a breaker that remembers every call, and reckons in fractions.
type ledger struct {
	policy  policy.Breaker
	state   State
	epoch   int
	base    time.Duration // since when it counts
	closed  time.Duration // since when it is
	granted time.Duration
	until   time.Duration
	series  int
	good    int
	row     int
	taken   int  // successes since the last refusal or failure
	pressed bool // a refusal was seen, and the window was not found empty since
	events  []entry
	calls   []*held // those that are under way
}

// An entry is n events of a tenth of a window.
type entry struct {
	what  event
	tenth int64
	n     int
}

// A held is a call that is under way, with what the ledger thinks of it.
type held struct {
	ticket Ticket
	at     time.Duration
	epoch  int
	counts bool
	trial  bool
	placed bool
}

func (l *ledger) tenth(now time.Duration) int64 {
	return int64((now - l.base) / (l.policy.Window / 10))
}

func (l *ledger) add(now time.Duration, what event) {
	for i := range l.events {
		if e := &l.events[i]; e.what == what && e.tenth == l.tenth(now) {
			e.n++
			return
		}
	}
	l.events = append(l.events, entry{what, l.tenth(now), 1})
}

// within returns how many of these events are in the window that ends now.
func (l *ledger) within(now time.Duration, what event) (n int) {
	for _, e := range l.events {
		if e.what == what && l.tenth(now)-e.tenth < 10 {
			n += e.n
		}
	}
	return n
}

func (l *ledger) trials() (n int) {
	for _, h := range l.calls {
		if h.trial && h.counts && h.epoch == l.epoch {
			n++
		}
	}
	return n
}

func (l *ledger) placed() (n int) {
	for _, h := range l.calls {
		if h.placed {
			n++
		}
	}
	return n
}

// become starts a new leaf.
func (l *ledger) become(now time.Duration, s State) {
	l.forget(now)
	l.state, l.good = s, 0
	l.epoch++
	if s == Closed {
		l.closed = now
	}
}

func (l *ledger) forget(now time.Duration) {
	l.base, l.events, l.row, l.taken, l.pressed = now, nil, 0, 0, false
}

// probability is the book's formula, cut at the most that may be held back.
func (l *ledger) probability(now time.Duration) *big.Rat {
	accepts := l.within(now, succeeded) + l.within(now, failed)
	requests := accepts + l.within(now, refused) + l.within(now, heldBack)
	if requests < l.policy.MinCalls || !l.policy.Throttles() {
		return new(big.Rat)
	}
	k := big.NewRat(int64(l.policy.Throttle.AcceptPercent), 100)
	p := new(big.Rat).Sub(big.NewRat(int64(requests), 1), k.Mul(k, big.NewRat(int64(accepts), 1)))
	p.Quo(p, big.NewRat(int64(requests+1), 1))
	if most := big.NewRat(int64(l.policy.Throttle.MaxPercent), 100); p.Cmp(most) > 0 {
		return most
	}
	return p
}

// allow returns what Allow must say.
func (l *ledger) allow(now time.Duration, random uint64) (Reason, *held) {
	h := &held{at: now, counts: l.policy.Trips() || l.policy.Throttles()}
	switch {
	case l.state == Closed:
		dice := new(big.Rat).SetFrac(new(big.Int).SetUint64(random), new(big.Int).Lsh(big.NewInt(1), 64))
		if p := l.probability(now); dice.Cmp(p) < 0 {
			l.add(now, heldBack)
			return Throttled, nil
		}
		if l.policy.Throttles() && l.within(now, refused)+l.within(now, heldBack) == 0 {
			l.pressed = false
		}
	case l.state == Open && now < l.until:
		return CircuitOpen, nil
	case l.state == HalfOpen && l.trials() >= l.policy.Trials && now-l.granted < l.policy.Open:
		return TrialsTaken, nil
	default:
		if l.state == Open || l.trials() >= l.policy.Trials {
			l.become(now, HalfOpen) // anew
		}
		l.granted = now
		h.trial = true
	}
	h.epoch = l.epoch
	if !l.policy.Off && l.policy.MaxInFlight > 0 {
		if l.placed() >= l.policy.MaxInFlight {
			return Full, nil
		}
		h.placed = true
	}
	return Admitted, h
}

func (l *ledger) open(now time.Duration) {
	if l.state == Closed && (l.closed == 0 || now-l.closed >= l.policy.Window) {
		l.series = 0
	}
	l.series++
	l.become(now, Open)
}

// count does what the result of h must do.
func (l *ledger) count(now time.Duration, h *held, v outcome.Verdict) {
	result := v.ForBreaker()
	if !h.counts || h.epoch != l.epoch || result == outcome.CountNone {
		return
	}
	switch {
	case h.trial && result == outcome.CountFailure:
		l.open(now)
	case h.trial:
		if l.good++; l.good == l.policy.Successes {
			l.become(now, Closed)
		}
	case v == outcome.Refusal && l.policy.Throttles():
		l.add(now, refused)
		l.pressed = true
		l.taken = 0
	case result == outcome.CountSuccess:
		l.add(now, succeeded)
		l.row = 0
		if !l.pressed {
			return
		}
		l.taken++
		if k := l.policy.Throttle.AcceptPercent; k > 0 && big.NewRat(int64(l.taken), 10).Cmp(big.NewRat(int64(k), int64(k-100))) >= 0 {
			l.forget(now)
		}
	default:
		l.add(now, failed)
		l.row++
		l.taken = 0
		bad, all := l.within(now, failed), l.within(now, failed)+l.within(now, succeeded)
		share := new(big.Rat).Mul(big.NewRat(int64(bad), int64(all)), big.NewRat(100, 1))
		rate := l.policy.FailurePercent > 0 && all >= l.policy.MinCalls && share.Cmp(big.NewRat(int64(l.policy.FailurePercent), 1)) >= 0
		row := l.policy.ConsecutiveFailures > 0 && l.row >= l.policy.ConsecutiveFailures
		if l.policy.Trips() && (rate || row) {
			l.open(now)
		}
	}
}

// FuzzBreaker plays any calls to a breaker and to its ledger, with changes of
// the policy among them. Three bytes are a step: what happens, to which call,
// and how much time passes. After each step the two agree.
func FuzzBreaker(f *testing.F) {
	f.Add(uint8(4), []byte("adedadedadedadedadedaded\xff\x00\xffa0\x00a0\x00a0\x00"))
	f.Add(uint8(0x93), []byte{0, 0, 0, 0, 1, 0, 0, 2, 0, 5, 0, 1, 5, 0, 1, 5, 0, 1, 0, 0, 250, 0, 0, 250, 4, 0, 1, 0, 9, 1, 4, 0, 3})
	f.Add(uint8(0x45), []byte("many calls, and each three letters of the text are a step; 7777 77777777 777777"))
	f.Add(uint8(0x48), []byte("\x00a1\x09a1\x00a1\x09a1\x00a1\x09a1\x00a1\x09a1\x00a1\x00a1\x00a1\x0e\xf01\x00a1\x00a1"))
	r := rand.New(rand.NewPCG(1, 2))
	for kind := range 64 {
		steps := make([]byte, 3*200)
		for i := range steps {
			steps[i] = byte(r.Uint32())
			if i%3 == 2 && r.IntN(8) > 0 {
				steps[i] %= 64 // most often a step takes up to a second
			}
		}
		f.Add(uint8(kind*0x25), steps)
	}
	f.Fuzz(func(t *testing.T, kind uint8, steps []byte) {
		steps = steps[:min(len(steps), 3*500)] // the ledger looks at all of them after each
		p := fuzzed(kind)
		now := start
		b, l := New(p, now), &ledger{policy: p, base: now}
		var ended time.Duration // when the last call that ended began
		var admitted, done, denied, asked int
		for ; len(steps) >= 3; steps = steps[3:] {
			now += time.Duration(steps[2]) * time.Duration(steps[2]) * time.Millisecond / 4
			arg, before := steps[1], l.state
			var c *Change
			switch op := steps[0] % 16; {
			case op < 6 || op < 12 && len(l.calls) == 0:
				random := uint64(arg) * 0x0101010101010101
				admits := b.Admits(now)
				want, h := l.allow(now, random)
				quick, passed := b.Pass(now)
				got, d, change := b.Allow(now, random)
				if passed && (got != quick || change != nil) {
					t.Fatalf("passed with %+v, allowed with %+v, %+v", quick, got, change)
				}
				if by := want == CircuitOpen || want == TrialsTaken; admits != (!by || p.DryRun) {
					t.Fatalf("it says that it admits %v, and then %+v", admits, d)
				}
				c = change
				asked++
				if d.Reason != want || d.DryRun != (want != Admitted && p.DryRun) || d.Denied() != (want != Admitted && !p.DryRun) {
					t.Fatalf("%+v, want %v", d, want)
				}
				switch {
				case want != Admitted && got != Ticket{}:
					t.Fatalf("denied (%v), and holds %+v", want, got)
				case want != Admitted:
					denied++
				default:
					admitted++
					h.ticket = got
					l.calls = append(l.calls, h)
				}
			case op < 12:
				i := int(arg) % len(l.calls)
				h := l.calls[i]
				v := outcome.Verdict(arg>>4) + 1
				if op == 6 {
					l.count(now, h, outcome.Success)
					h.counts = false
					h.ticket, c = b.Answered(now, h.ticket)
					break
				}
				if op < 9 {
					v = outcome.Fault
				} else if op == 9 {
					v = outcome.Refusal
				}
				l.calls = append(l.calls[:i:i], l.calls[i+1:]...)
				ended = h.at
				l.count(now, h, v)
				c = b.Done(now, h.ticket, v, uint64(arg)*0x0101010101010101)
				done++
			case op == 14 && l.state == Closed: // many that succeed
				for range arg / 4 {
					want, h := l.allow(now, 1<<63)
					got, d, _ := b.Allow(now, 1<<63)
					asked++
					if d.Reason != want {
						t.Fatalf("%+v, want %v", d, want)
					}
					if want != Admitted {
						denied++
						continue
					}
					admitted++
					done++
					l.count(now, h, outcome.Success)
					c = b.Done(now, got, outcome.Success, 0)
				}
			case op == 15 && arg < 64:
				p = fuzzed(kind ^ arg)
				if p.Window != l.policy.Window {
					l.forget(now)
				}
				l.policy = p
				if !p.Trips() && l.state != Closed {
					l.series = 0
					l.become(now, Closed)
				}
				if latest := now + max(p.Open, p.MaxOpen); l.until > latest {
					l.until = latest
				}
				c = b.Configure(now, p)
			}
			s := b.Status(now)
			if (c != nil) != (before != l.state) || c != nil && (c.From != before || c.To != l.state || !edges[[2]State{c.From, c.To}] || c.Why == "" || c.DryRun != p.DryRun) {
				t.Fatalf("from %v to %v, told as %+v", before, l.state, c)
			}
			if c != nil && c.To == Open {
				ceiling := p.Ceiling(l.series - 1)
				if d := s.Until - ended; d > ceiling || d < ceiling*3/4-1 || c.For != max(0, s.Until-now) {
					t.Fatalf("open for %v, %v since its call began, the ceiling is %v", c.For, d, ceiling)
				}
				l.until = s.Until
			}
			if s.State != l.state || b.State() != l.state || s.Openings != min(l.series, longest) {
				t.Fatalf("%+v, and the ledger is %v after %d", s, l.state, l.series)
			}
			if s.Succeeded != l.within(now, succeeded) || s.Failed != l.within(now, failed) ||
				s.Refused != l.within(now, refused) || s.HeldBack != l.within(now, heldBack) {
				t.Fatalf("%+v, the ledger has %+v", s, l.events)
			}
			if asked != admitted+denied || admitted != done+len(l.calls) {
				t.Fatalf("asked %d, admitted %d, denied %d, done %d, under way %d", asked, admitted, denied, done, len(l.calls))
			}
			if s.InFlight != l.placed() || s.Trials != l.trials() || s.TrialsSucceeded != l.good {
				t.Fatalf("%+v, the ledger has %d in flight, %d trials, %d good", s, l.placed(), l.trials(), l.good)
			}
			if s.Trials > 3 || s.State == HalfOpen && s.TrialsSucceeded >= 4 {
				t.Fatalf("%+v is more than any policy allows", s)
			}
		}
	})
}

// fuzzed returns a valid policy out of a few.
func fuzzed(kind uint8) policy.Breaker {
	p := policy.Breaker{
		Window: 10 * time.Second, MinCalls: 4, FailurePercent: 50, Open: 5 * time.Second, MaxOpen: 20 * time.Second,
		Trials: 1 + int(kind&1)*2, Successes: 3, DryRun: kind&2 != 0,
	}
	if kind&4 != 0 {
		p.ConsecutiveFailures = 3
	}
	if kind&8 != 0 {
		p.Throttle = policy.Throttle{AcceptPercent: 160, MaxPercent: 80}
	}
	if kind&16 != 0 {
		p.MaxInFlight = 4
	}
	if kind&32 != 0 {
		p.Window, p.MaxOpen = 5*time.Second, 0
	}
	switch kind & 0xc0 {
	case 0x40:
		p.FailurePercent = 0
	case 0xc0:
		p.Off = true
	}
	return p
}
