package window

import (
	"testing"
	"time"
)

type kind int

const (
	good kind = iota
	bad
)

const start = 1000 * time.Second

func at(d time.Duration) time.Duration { return start + d }

func TestCountsSlideOutByTenths(t *testing.T) {
	c := New[kind](10*time.Second, start)
	c.Add(at(0), good, 1)
	c.Add(at(999*time.Millisecond), good, 2)
	c.Add(at(time.Second), good, 4)
	c.Add(at(9500*time.Millisecond), good, 8)
	for _, step := range []struct {
		at   time.Duration
		want int
	}{
		{9500 * time.Millisecond, 15},
		{9999 * time.Millisecond, 15},
		{10 * time.Second, 12}, // the first tenth is out
		{10999 * time.Millisecond, 12},
		{11 * time.Second, 8},
		{18999 * time.Millisecond, 8},
		{19 * time.Second, 0},
		{time.Hour, 0},
	} {
		if got := c.Sum(at(step.at), good); got != step.want {
			t.Errorf("after %v: %d, want %d", step.at, got, step.want)
		}
	}
}

func TestCoverHoldsATenthMore(t *testing.T) {
	c := New[kind](10*time.Second, start)
	c.Add(at(0), good, 1)
	c.Add(at(999*time.Millisecond), good, 2)
	c.Add(at(time.Second), good, 4)
	for _, step := range []struct {
		at   time.Duration
		want int
	}{
		{time.Second, 7},
		{10999 * time.Millisecond, 7},
		{11 * time.Second, 4},
		{11999 * time.Millisecond, 4},
		{12 * time.Second, 0},
	} {
		if got := c.Cover(at(step.at), good); got != step.want {
			t.Errorf("after %v: %d, want %d", step.at, got, step.want)
		}
	}
}

func TestKindsAreCountedApart(t *testing.T) {
	c := New[kind](time.Second, start)
	c.Add(start, good, 3)
	c.Add(start, bad, 5)
	if g, b := c.Sum(start, good), c.Sum(start, bad); g != 3 || b != 5 {
		t.Errorf("%d and %d, want 3 and 5", g, b)
	}
}

func TestTimeThatGoesBackwardsStandsStill(t *testing.T) {
	c := New[kind](10*time.Second, start)
	c.Add(at(5*time.Second), good, 1)
	c.Add(at(0), good, 1) // counts as at 5 s
	if got := c.Sum(at(-time.Hour), good); got != 2 {
		t.Errorf("seen from the past: %d, want 2", got)
	}
	if got := c.Sum(at(14999*time.Millisecond), good); got != 2 {
		t.Errorf("at the end of their window: %d, want 2", got)
	}
	if got := c.Sum(at(15*time.Second), good); got != 0 {
		t.Errorf("after it: %d, want 0", got)
	}
}

func TestALongPauseForgetsEverything(t *testing.T) {
	c := New[kind](10*time.Second, start)
	c.Add(start, good, 7)
	far := start + 250*365*24*time.Hour
	if got := c.Sum(far, good); got != 0 {
		t.Errorf("%d, want 0", got)
	}
	c.Add(far, good, 1)
	if got := c.Sum(far, good); got != 1 {
		t.Errorf("then %d, want 1", got)
	}
}

func TestLengthIsWhatTenTenthsMakeOfIt(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		10 * time.Second: 10 * time.Second,
		999:              990,
		5:                10, // a tenth is at least a nanosecond
	} {
		c := New[kind](length, start)
		if got := c.Length(); got != want {
			t.Errorf("New(%v).Length() = %v, want %v", length, got, want)
		}
	}
}

// A model remembers each event, with the tenth that it fell into.
type model struct {
	width, now, latest int64 // now is the tenth that time has reached
	events             []struct {
		kind      kind
		at, tenth int64
		n         int
	}
}

func (m *model) reach(d int64) {
	if d >= 0 {
		m.now, m.latest = max(m.now, d/m.width), max(m.latest, d)
	}
}

func (m *model) add(d int64, k kind, n int) {
	m.reach(d)
	m.events = append(m.events, struct {
		kind      kind
		at, tenth int64
		n         int
	}{k, m.latest, m.now, n})
}

// sum is of so many tenths, with the one that time has reached.
func (m *model) sum(d int64, k kind, tenths int64) (sum int) {
	m.reach(d)
	for _, e := range m.events {
		if e.kind == k && e.tenth > m.now-tenths {
			sum += e.n
		}
	}
	return sum
}

// last is of those that are younger than the window is long.
func (m *model) last(k kind) (sum int) {
	for _, e := range m.events {
		if e.kind == k && e.at > m.latest-10*m.width {
			sum += e.n
		}
	}
	return sum
}

// FuzzCountsAreThoseOfAModel reads three bytes as a step: what is added, how
// far time moves, and in which unit. What is in the window is never less than Sum
// and never more than Cover.
func FuzzCountsAreThoseOfAModel(f *testing.F) {
	f.Add(uint32(10_000), []byte{1, 10, 1, 130, 200, 1, 3, 255, 2, 0, 0, 0})
	f.Add(uint32(7), []byte{1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 100, 3})
	f.Fuzz(func(t *testing.T, length uint32, steps []byte) {
		c := New[kind](time.Duration(length), start)
		m := model{width: max(int64(length)/10, 1)}
		var d int64
		for ; len(steps) >= 3; steps = steps[3:] {
			n, k := int(steps[0]&0x7f), kind(steps[0]>>7)
			move := int64(int8(steps[1])) // may go backwards
			switch steps[2] % 4 {
			case 0:
				d += move
			case 1:
				d += move * m.width / 16
			case 2:
				d += move * m.width
			case 3:
				d -= d % m.width // to the edge
			}
			if n > 0 {
				c.Add(at(time.Duration(d)), k, uint32(n))
				m.add(d, k, n)
			}
			for _, k := range []kind{good, bad} {
				sum, cover := c.Sum(at(time.Duration(d)), k), c.Cover(at(time.Duration(d)), k)
				if want := m.sum(d, k, 10); sum != want {
					t.Fatalf("kind %d at %d: %d, want %d", k, d, sum, want)
				}
				if want := m.sum(d, k, 11); cover != want {
					t.Fatalf("kind %d at %d: %d with the tenth before, want %d", k, d, cover, want)
				}
				if last := m.last(k); sum > last || last > cover {
					t.Fatalf("kind %d at %d: %d are in the window, which is not within %d and %d", k, d, last, sum, cover)
				}
			}
		}
	})
}
