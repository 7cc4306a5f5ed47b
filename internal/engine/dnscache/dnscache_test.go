package dnscache

import (
	"errors"
	"fmt"
	"math"
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

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		n           int
		base, limit time.Duration
		r           uint64
		want        time.Duration
	}{
		{0, 100, 1000, math.MaxUint64, 100},
		{0, 100, 1000, 0, 0},
		{3, 100, 1000, math.MaxUint64, 800},
		{4, 100, 1000, math.MaxUint64, 1000},
		{62, 100, 1000, math.MaxUint64, 1000},
		{math.MaxInt, 100, 1000, math.MaxUint64, 1000},
		{0, 2000, 1000, math.MaxUint64, 1000},
		{-1, 100, 1000, math.MaxUint64, 0},
		{0, 0, 1000, math.MaxUint64, 0},
		{5, 1, math.MaxInt64, math.MaxUint64, 32},
		{200, 1, math.MaxInt64, math.MaxUint64, math.MaxInt64},
	} {
		if got := Backoff(c.n, c.base, c.limit, c.r); got != c.want {
			t.Errorf("Backoff(%d, %d, %d, %d) = %d, want %d", c.n, c.base, c.limit, c.r, got, c.want)
		}
	}
}

// TestPublishedIsImmutable holds that a set, once published, never changes.
func TestPublishedIsImmutable(t *testing.T) {
	e := New(Config{})
	in := addrs(3, 1, 2, 1)
	first := e.Answer(time.Unix(0, 0), 0, Answer{Addrs: in, TTL: time.Second}).Publish
	keep := slices.Clone(first)
	clear(in)
	e.Answer(time.Unix(1, 0), 0, Answer{Addrs: addrs(9), TTL: time.Second})
	e.Answer(time.Unix(2, 0), 0, Answer{Addrs: addrs(9), TTL: time.Second})
	if !slices.Equal(first, keep) || !slices.Equal(keep, addrs(1, 2, 3)) {
		t.Errorf("the first set became %v, was %v", first, keep)
	}
	if got := e.Addrs(); !slices.Equal(got, addrs(9)) {
		t.Errorf("in use: %v", got)
	}
}

func addrs(last ...byte) []netip.Addr {
	as := make([]netip.Addr, 0, len(last))
	for _, b := range last {
		as = append(as, netip.AddrFrom4([4]byte{10, 0, 0, b}))
	}
	return as
}

// A model is the naive reading of the rules: per family, what the last two
// answers had between them.
type model struct {
	last, before map[Families]map[netip.Addr]bool
	goodAt       time.Time
}

func newModel() *model {
	return &model{last: map[Families]map[netip.Addr]bool{}, before: map[Families]map[netip.Addr]bool{}}
}

func (m *model) answer(now time.Time, a Answer) {
	if len(a.Addrs) == 0 {
		return
	}
	m.goodAt = now
	for _, f := range []Families{IPv4, IPv6} {
		seen := map[netip.Addr]bool{}
		for _, addr := range a.Addrs {
			if familyOf(addr) == f {
				seen[addr] = true
			}
		}
		if a.Unanswered&f == 0 {
			m.before[f], m.last[f] = m.last[f], seen
			continue
		}
		// What is seen is fresh; all else is as old as it was.
		merged := map[netip.Addr]bool{}
		for addr := range m.last[f] {
			merged[addr] = true
		}
		for addr := range seen {
			merged[addr] = true
		}
		m.last[f] = merged
	}
}

func (m *model) suspended() {
	for _, f := range []Families{IPv4, IPv6} {
		all := map[netip.Addr]bool{}
		for _, addr := range m.set() {
			if familyOf(addr) == f {
				all[addr] = true
			}
		}
		m.before[f], m.last[f] = all, map[netip.Addr]bool{}
	}
}

func (m *model) set() []netip.Addr {
	var out []netip.Addr
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
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// FuzzEntry drives an Entry with any history and holds after each step that
// the set equals the model's, that what was published is the set, that an error
// is told exactly when there is no set, and that the next look-up lies where
// the rules put it.
func FuzzEntry(f *testing.F) {
	f.Add(uint64(1), []byte("\x00\x07\x05\x00\x03\x05\x10\x00\x00\x20\x00\x00\x30\x01\x01"))
	f.Add(uint64(7), []byte("\x00\xff\x05\x00\x01\x05\x00\x01\x05\x10\x00\x00\x10\x00\x00\x00\x02\x00"))
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
	e, m := New(cfg), newModel()
	cfg = cfg.withDefaults()
	now := time.Unix(1000, 0)
	asked := time.Time{}
	failures := 0
	period := firstPeriod
	for i := 0; i+2 < len(ops); i += 3 {
		kind, x, y := ops[i]>>4, ops[i+1], ops[i+2]
		now = now.Add(time.Duration(ops[i]&15) * 700 * time.Millisecond)
		before := e.Addrs()
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
				a.Addrs = append(a.Addrs, addr, addr)
			}
			rnd.Shuffle(len(a.Addrs), func(i, j int) { a.Addrs[i], a.Addrs[j] = a.Addrs[j], a.Addrs[i] })
			what = fmt.Sprintf("answer %+v", a)
			e.Asked(now)
			asked = now
			step = e.Answer(now, rnd.Uint64(), a)
			m.answer(now, a)
			wait := step.NextAsk.Sub(now)
			if len(a.Addrs) == 0 {
				failures++
				checkBackoff(t, cfg, period, failures, wait)
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
			asked = now
			step = e.Fail(now, rnd.Uint64(), errors.New("no"))
			failures++
			checkBackoff(t, cfg, period, failures, step.NextAsk.Sub(now))
			if cfg.MaxStale > 0 && len(m.set()) > 0 && now.Sub(m.goodAt) >= cfg.MaxStale {
				m = newModel()
				period = firstPeriod
			}
		case kind < 15:
			what = "hint"
			step = e.ResolveNow(now)
			want := nextBefore
			if failures == 0 {
				if at := later(now, asked.Add(cfg.HintInterval)); at.Before(want) {
					want = at
				}
			}
			if !step.NextAsk.Equal(want) {
				t.Fatalf("step %d: hint: next look-up %v, want %v", i/3, step.NextAsk, want)
			}
		default:
			what = "suspended"
			e.Suspended()
			m.suspended()
			step.NextAsk = e.NextAsk()
			step.Err = e.step(nil, "").Err
		}
		want := m.set()
		if !slices.Equal(e.Addrs(), want) {
			t.Fatalf("step %d: %s: in use %v, want %v", i/3, what, e.Addrs(), want)
		}
		if changed := !slices.Equal(before, e.Addrs()); changed != (step.Publish != nil) || changed && !slices.Equal(step.Publish, want) {
			t.Fatalf("step %d: %s: published %v, set was %v and is %v", i/3, what, step.Publish, before, want)
		}
		if (step.Err != nil) != (len(want) == 0 && failures > 0) {
			t.Fatalf("step %d: %s: error %v with set %v after %d failures", i/3, what, step.Err, want, failures)
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
	as := make([]netip.Addr, 0, 5000)
	for i := range 5000 {
		as = append(as, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(as), func(i, j int) { as[i], as[j] = as[j], as[i] })
	e := New(Config{})
	now := time.Unix(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		e.Answer(now, 0, Answer{Addrs: as, TTL: time.Second})
	}
}
