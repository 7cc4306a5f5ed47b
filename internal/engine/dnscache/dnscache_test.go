package dnscache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		name      string
		cfg, want Config
	}{
		{"defaults", Config{}, Config{MinTTL: time.Second, MaxTTL: 5 * time.Minute, BackoffBase: 100 * time.Millisecond, BackoffMax: 30 * time.Second, HintInterval: time.Second}},
		{"negative is zero", Config{MinTTL: -1, MaxTTL: -1, MaxStale: -1, BackoffBase: -1, BackoffMax: -1, HintInterval: -1}, Config{}.withDefaults()},
		{"a floor above the default ceiling raises it", Config{MinTTL: time.Hour}, Config{MinTTL: time.Hour, MaxTTL: time.Hour, BackoffBase: 100 * time.Millisecond, BackoffMax: 30 * time.Second, HintInterval: time.Second}},
		{"a floor above the ceiling raises it", Config{MinTTL: time.Hour, MaxTTL: time.Minute}, Config{MinTTL: time.Hour, MaxTTL: time.Hour, BackoffBase: 100 * time.Millisecond, BackoffMax: 30 * time.Second, HintInterval: time.Second}},
		{"a base above the default limit raises it", Config{BackoffBase: time.Minute}, Config{MinTTL: time.Second, MaxTTL: 5 * time.Minute, BackoffBase: time.Minute, BackoffMax: time.Minute, HintInterval: time.Second}},
	} {
		if got := c.cfg.withDefaults(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestPublishedIsImmutable holds that a set, once published, never changes.
func TestPublishedIsImmutable(t *testing.T) {
	e := New(Config{})
	in := addrs(3, 1, 2, 1)
	first := e.Answer(time.Unix(0, 0), 0, Answer{Records: in, TTL: time.Second}).Publish
	keep := slices.Clone(first)
	clear(in)
	e.Answer(time.Unix(1, 0), 0, Answer{Records: addrs(9), TTL: time.Second})
	e.Answer(time.Unix(2, 0), 0, Answer{Records: addrs(9), TTL: time.Second})
	if !slices.Equal(first, keep) || !slices.Equal(keep, addrs(1, 2, 3)) {
		t.Errorf("the first set became %v, was %v", first, keep)
	}
	if got := e.Records(); !slices.Equal(got, addrs(9)) {
		t.Errorf("in use: %v", got)
	}
}

func addrs(last ...byte) []Record {
	as := make([]Record, 0, len(last))
	for _, b := range last {
		as = append(as, Record{Addr: netip.AddrFrom4([4]byte{10, 0, 0, b})})
	}
	return as
}

// A model is the naive reading of the rules: per family, what the last two
// answers had between them.
type model struct {
	last, before map[Families]map[Record]bool
	goodAt       time.Time
	woken        time.Time
	confirmed    map[Record]time.Time
	maxStale     time.Duration
}

func newModel(maxStale time.Duration) *model {
	return &model{
		last: map[Families]map[Record]bool{}, before: map[Families]map[Record]bool{},
		confirmed: map[Record]time.Time{}, maxStale: maxStale,
	}
}

// stale is whether nobody has confirmed r for too long.
func (m *model) stale(now time.Time, r Record) bool {
	return m.maxStale > 0 && now.Sub(m.confirmed[r]) >= m.maxStale && now.Sub(m.woken) >= m.maxStale
}

func (m *model) answer(now time.Time, a Answer) {
	if len(a.Records) == 0 {
		return
	}
	m.goodAt = now
	for _, f := range []Families{IPv4, IPv6} {
		seen := map[Record]bool{}
		for _, addr := range a.Records {
			if familyOf(addr.Addr) == f {
				seen[addr] = true
				m.confirmed[addr] = now
			}
		}
		if a.Unanswered&f == 0 {
			m.before[f], m.last[f] = m.last[f], seen
			continue
		}
		// What is seen is fresh; all else is as old as it was.
		merged := map[Record]bool{}
		for addr := range m.last[f] {
			if !m.stale(now, addr) {
				merged[addr] = true
			}
		}
		for addr := range m.before[f] {
			if m.stale(now, addr) {
				delete(m.before[f], addr)
			}
		}
		for addr := range seen {
			merged[addr] = true
		}
		m.last[f] = merged
	}
}

func (m *model) suspended() {
	for _, f := range []Families{IPv4, IPv6} {
		all := map[Record]bool{}
		for _, addr := range m.set() {
			if familyOf(addr.Addr) == f {
				all[addr] = true
			}
		}
		m.before[f], m.last[f] = all, map[Record]bool{}
	}
}

func (m *model) set() []Record {
	var out []Record
	for _, f := range []Families{IPv4, IPv6} {
		for addr := range m.last[f] {
			out = append(out, addr)
		}
		for addr := range m.before[f] {
			if !m.last[f][addr] {
				out = append(out, addr)
			}
		}
	}
	slices.SortFunc(out, Record.Compare)
	return out
}

// FuzzEntry drives an Entry with any history and holds after each step that
// the set equals the model's, that what was published is the set, that an error
// is told exactly when there is no set, and that the next look-up lies where
// the rules put it.
func FuzzEntry(f *testing.F) {
	f.Add(uint64(1), []byte("\x00\x07\x05\x00\x03\x05\x10\x00\x00\x20\x00\x00\x30\x01\x01"))
	f.Add(uint64(7), []byte("\x00\xff\x05\x00\x01\x05\x00\x01\x05\x10\x00\x00\x10\x00\x00\x00\x02\x00"))
	f.Add(uint64(0), []byte("\x0f\x07\x05\x0f\x00\x01\x0f\x00\x01\x0f\x00\x01\x0f\x00\x01\x0f\x00\x01")) // empty answers until the last good one is too old
	f.Fuzz(func(t *testing.T, seed uint64, ops []byte) {
		run(t, seed, ops)
	})
}

func TestRandomHistories(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		ops := make([]byte, 3*60)
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		run(t, rnd.Uint64(), ops)
	}
}

func run(t *testing.T, seed uint64, ops []byte) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0))
	cfg := Config{}
	if seed%3 == 0 {
		cfg = Config{MinTTL: 2 * time.Second, MaxTTL: 20 * time.Second, MaxStale: 40 * time.Second, HintInterval: 3 * time.Second}
	}
	e, m := New(cfg), newModel(cfg.MaxStale)
	cfg = cfg.withDefaults()
	now := time.Unix(1000, 0)
	asked := time.Time{}
	failures := 0
	period := firstPeriod
	idle, parked, hinted := false, false, false
	failed := func(wait time.Duration) {
		t.Helper()
		failures++
		checkBackoff(t, cfg, period, failures, wait)
		if cfg.MaxStale > 0 && len(m.set()) > 0 && now.Sub(m.goodAt) >= cfg.MaxStale {
			m = newModel(cfg.MaxStale)
			period = firstPeriod
		}
	}
	for i := 0; i+2 < len(ops); i += 3 {
		kind, x, y := ops[i]>>4, ops[i+1], ops[i+2]
		now = now.Add(time.Duration(ops[i]&15) * 700 * time.Millisecond)
		before := e.Records()
		nextBefore := e.NextAsk()
		var step Step
		var what string
		switch {
		case kind < 7: // an answer; bits of x choose the addresses
			a := Answer{TTL: time.Duration(y) * time.Second, Unanswered: Families(kind % 4)}
			for b := range 8 {
				if x>>b&1 == 0 {
					continue
				}
				addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(b)})
				if b >= 4 {
					addr = netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(b)})
				}
				r := Record{Addr: addr, Port: uint16(b & 1)}
				a.Records = append(a.Records, r, r)
			}
			rnd.Shuffle(len(a.Records), func(i, j int) { a.Records[i], a.Records[j] = a.Records[j], a.Records[i] })
			what = fmt.Sprintf("answer %+v", a)
			e.Asked(now)
			asked, hinted, parked = now, false, false
			step = e.Answer(now, rnd.Uint64(), a)
			m.answer(now, a)
			wait := step.NextAsk.Sub(now)
			if len(a.Records) == 0 {
				failed(wait)
				break
			}
			failures = 0
			period = min(max(a.TTL, cfg.MinTTL), cfg.MaxTTL)
			if wait < cfg.MinTTL || wait > period || wait < period-period/10 {
				t.Fatalf("step %d: %s: next look-up in %v, want in [max(%v, 0.9 * %v), %v]", i/3, what, wait, cfg.MinTTL, period, period)
			}
		case kind < 11:
			what = "fail"
			e.Asked(now)
			asked, hinted, parked = now, false, false
			step = e.Fail(now, rnd.Uint64(), errors.New("no"))
			failed(step.NextAsk.Sub(now))
		case kind < 13:
			what = "hint"
			step = e.ResolveNow(now, rnd.Uint64())
			base := later(now, asked.Add(cfg.HintInterval))
			if idle {
				base = later(now, asked.Add(cfg.MaxTTL))
			}
			switch at := step.NextAsk; {
			case at.Equal(nextBefore) && (failures > 0 || hinted || !base.Add(cfg.HintInterval/4).Before(nextBefore)):
			case failures > 0 && !idle || hinted, !parked && !at.Before(nextBefore), at.Before(base), at.After(base.Add(cfg.HintInterval / 4)):
				t.Fatalf("step %d: hint: next look-up %v, was %v, want %v or up to %v later", i/3, at, nextBefore, base, cfg.HintInterval/4)
			default:
				hinted, parked = true, false
			}
		case kind == 13:
			what = fmt.Sprintf("due %v", x)
			var ask bool
			used := x&1 == 0
			step, ask = e.Due(now, rnd.Uint64(), used)
			parked = false
			switch {
			case (used || len(m.set()) == 0) && !ask:
				t.Fatalf("step %d: %s: it did not look up", i/3, what)
			case !used && len(m.set()) > 0 && !hinted && (ask || !step.Idle):
				t.Fatalf("step %d: %s: it looks up an unused name", i/3, what)
			case !used && !ask:
				idle, parked = true, !hinted
			case used:
				idle = false
			}
		case kind == 14:
			what = "wake"
			step = e.Wake(now, rnd.Uint64())
			if latest := later(now, asked.Add(cfg.HintInterval)).Add(cfg.HintInterval / 4); idle && step.NextAsk.After(latest) {
				t.Fatalf("step %d: wake: next look-up %v, want before %v", i/3, step.NextAsk, latest)
			}
			if idle {
				m.goodAt, m.woken = later(m.goodAt, now), now
			}
			idle, parked = false, false
		default:
			what = "suspended"
			e.Suspended()
			idle, parked, hinted = false, false, false
			m.suspended()
			step.NextAsk = e.NextAsk()
			step.Err = e.step(nil, "").Err
		}
		want := m.set()
		if !slices.Equal(e.Records(), want) {
			t.Fatalf("step %d: %s: in use %v, want %v", i/3, what, e.Records(), want)
		}
		if changed := !slices.Equal(before, e.Records()); changed != (step.Publish != nil) || changed && !slices.Equal(step.Publish, want) {
			t.Fatalf("step %d: %s: published %v, set was %v and is %v", i/3, what, step.Publish, before, want)
		}
		if (step.Err != nil) != (len(want) == 0 && failures > 0) {
			t.Fatalf("step %d: %s: error %v with set %v after %d failures", i/3, what, step.Err, want, failures)
		}
		if kind < 15 && step.Idle != parked {
			t.Fatalf("step %d: %s: idle is %v, want %v", i/3, what, step.Idle, parked)
		}
		if !step.NextAsk.Equal(e.NextAsk()) {
			t.Fatalf("step %d: %s: the step says %v, the entry %v", i/3, what, step.NextAsk, e.NextAsk())
		}
	}
}

func checkBackoff(t *testing.T, cfg Config, period time.Duration, failures int, wait time.Duration) {
	t.Helper()
	ceiling := cfg.BackoffBase
	for range failures - 1 {
		ceiling = min(2*ceiling, cfg.BackoffMax, period)
	}
	if wait < 0 || wait > min(ceiling, cfg.BackoffMax, period) {
		t.Fatalf("failure %d: wait %v, want in [0, %v]", failures, wait, ceiling)
	}
}

func BenchmarkAnswer(b *testing.B) {
	as := make([]Record, 0, 5000)
	for i := range 5000 {
		as = append(as, Record{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(as), func(i, j int) { as[i], as[j] = as[j], as[i] })
	e := New(Config{})
	now := time.Unix(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		e.Answer(now, 0, Answer{Records: as, TTL: time.Second})
	}
}
