package ejection

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

func TestHowManyMayBeOut(t *testing.T) {
	for _, c := range []struct{ n, percent, want int }{
		{0, 50, 0}, {1, 100, 0}, {2, 50, 1}, {2, 100, 1}, {3, 50, 1}, {3, 10, 1}, {10, 50, 5},
		{10, 0, 0}, {10, 100, 9}, {11, 50, 5}, {1000, 10, 100},
	} {
		p := policy.HouseEjection()
		p.MaxPercent = c.percent
		if got := New(p).limit(c.n); got != c.want {
			t.Errorf("%d%% of %d: %d, want %d", c.percent, c.n, got, c.want)
		}
	}
}

// ejected returns a fleet of two of which the second has just been ejected.
func ejected(t *testing.T) (f *Fleet, records []*Record, now time.Duration) {
	t.Helper()
	f, records, now = New(policy.HouseEjection()), []*Record{new(Record), new(Record)}, time.Second
	f.Sweep(now, records, 0)
	for range 5 {
		records[0].Add(now, outcome.Good, 10*ms)
		records[1].Add(now, outcome.Bad, ms)
	}
	if changes, _ := f.Sweep(now, records, 0); len(changes) != 1 || !records[1].Out() {
		t.Fatalf("changes %+v", changes)
	}
	return f, records, now
}

func TestAnEjectedEndpointWithoutTrafficIsLookedAtWhenItsTimeIsOver(t *testing.T) {
	f, records, now := ejected(t)
	_, next := f.Sweep(now+2*time.Second, records, 0)
	if next != records[1].until || next > now+4*time.Second || next < now+3*time.Second {
		t.Errorf("next sweep after %v", next-now)
	}
	if changes, next := f.Sweep(next, records, 0); len(changes) != 1 || changes[0].To != OnTrial || next != 0 {
		t.Errorf("changes %+v, next %v", changes, next)
	}
	if !records[0].Add(now+5*time.Second, outcome.Good, ms) || records[0].Add(now+5*time.Second, outcome.Good, ms) {
		t.Error("the first result asks for a sweep, and only that")
	}
}

// onTrial returns it when it is on trial.
func onTrial(t *testing.T) (f *Fleet, records []*Record, now time.Duration) {
	t.Helper()
	f, records, now = ejected(t)
	now += 4 * time.Second // the longest that the first may last
	if changes, _ := f.Sweep(now, records, 0); len(changes) != 1 || changes[0].To != OnTrial {
		t.Fatalf("changes %+v", changes)
	}
	return f, records, now
}

func TestTrials(t *testing.T) {
	const start = 5 * time.Second
	for _, c := range []struct {
		name    string
		play    func(r *Record)
		after   time.Duration
		want    State
		lasting time.Duration // of the next ejection
	}{
		{"none is taken", func(*Record) {}, time.Hour, OnTrial, 0},
		{"an answer", func(r *Record) { r.TakeTrial(start); r.Add(start+ms, outcome.Good, ms) }, ms, OnTrial, 0},
		{"an answer, and no more calls", func(r *Record) { r.TakeTrial(start); r.Add(start+ms, outcome.Good, ms) }, 6 * time.Second, Returning, 0},
		{"a failure", func(r *Record) { r.TakeTrial(start); r.Add(start+ms, outcome.Bad, ms) }, ms, Ejected, 8 * time.Second},
		{"it is broken", func(r *Record) { r.TakeTrial(start); r.Add(start+ms, outcome.RateOnly, ms) }, ms, Ejected, 8 * time.Second},
		{"it was cancelled", func(r *Record) { r.TakeTrial(start); r.Add(start+ms, outcome.None, ms) }, ms, Ejected, 4 * time.Second},
		{"it had no connection", func(r *Record) { r.TakeTrial(start); r.Add(start+ms, outcome.Connection, ms) }, ms, Ejected, 4 * time.Second},
		{"no result yet", func(r *Record) { r.TakeTrial(start) }, 900 * ms, OnTrial, 0},
		{"no result", func(r *Record) { r.TakeTrial(start) }, time.Second, Ejected, 8 * time.Second},
		{"a result of before", func(r *Record) { r.Add(start+ms, outcome.Bad, 2*ms) }, ms, OnTrial, 0},
	} {
		f, records, now := onTrial(t)
		if now != start {
			t.Fatal(now)
		}
		r := records[1]
		c.play(r)
		f.Sweep(now+c.after, records, 0)
		if r.state != c.want || r.Out() != c.want.out() {
			t.Errorf("%s: %v, want %v", c.name, r.state, c.want)
		}
		if d := r.until - now - c.after; c.want == Ejected && (d > c.lasting || d < c.lasting*3/4) {
			t.Errorf("%s: ejected for %v, want at most %v and three quarters at least", c.name, d, c.lasting)
		}
	}
}

// passed returns it when one trial has succeeded and there was time for no more.
func passed(t *testing.T) (f *Fleet, records []*Record, now time.Duration) {
	t.Helper()
	f, records, now = onTrial(t)
	if !records[1].TakeTrial(now) {
		t.Fatal("no trial")
	}
	records[1].Add(now+ms, outcome.Good, ms)
	_, next := f.Sweep(now+ms, records, 0)
	for records[1].state == OnTrial && next > 0 {
		now = next
		_, next = f.Sweep(now, records, 0)
	}
	if want := time.Second + proofTime; records[1].state != Returning || now != want {
		t.Fatalf("%v at %v, want that it returns at %v", records[1].state, now, want)
	}
	return f, records, now
}

// More calls of the fleet allow more trials, up to eight, and the endpoint
// returns when all have succeeded, however early.
func TestABusyFleetMakesMoreTrials(t *testing.T) {
	f, records, now := onTrial(t)
	r := records[1]
	for taken := range maxTrials {
		now += trialSpacing
		for range trialShare {
			records[0].Add(now, outcome.Good, ms)
		}
		f.Sweep(now, records, 0)
		if r.state != OnTrial || !r.TakeTrial(now) {
			t.Fatalf("%v; trial %d was not granted", r.state, taken+1)
		}
		if r.TakeTrial(now + trialSpacing) {
			t.Fatalf("trial %d came before the fleet had made the attempts for it", taken+2)
		}
		r.Add(now+ms, outcome.Good, ms)
	}
	f.Sweep(now+ms, records, 0)
	if r.state != Returning {
		t.Errorf("%v after %d trials, %v after it was ejected", r.state, maxTrials, now-r.ejected)
	}
}

func TestTheWeightGrowsFasterAndFaster(t *testing.T) {
	f, records, now := passed(t)
	r := records[1]
	before, step := uint32(0), uint32(0)
	for k := range 7 {
		_, next := f.Sweep(now+time.Duration(k)*ramp/6, records, 0)
		w := r.Weight()
		if k == 0 && w != firstWeight || k > 1 && w-before < step || k < 6 && (next == 0 || r.state != Returning) {
			t.Errorf("step %d: weight %d after %d, %v, next %v", k, w, before, r.state, next)
		}
		before, step = w, w-before
	}
	if before != 100 || r.state != In {
		t.Errorf("%v with weight %d", r.state, before)
	}
}

func TestAnEndpointThatStaysInIsForgiven(t *testing.T) {
	f, records, now := passed(t)
	r := records[1]
	f.Sweep(now+ramp, records, 0)
	if f.Sweep(now+ramp+7*time.Second, records, 0); r.level != 1 {
		t.Errorf("level %d before its time", r.level)
	}
	if f.Sweep(now+ramp+8*time.Second, records, 0); r.level != 0 {
		t.Errorf("level %d", r.level)
	}
}

// What the gone did counts for nobody, and what the unconnected did stays.
func TestEndpointsComeAndGo(t *testing.T) {
	f, records, now := ejected(t)
	third := new(Record)
	f.Sweep(now+ms, []*Record{records[0], third}, 0) // the ejected one lost its connection
	if f.out != 0 || !records[1].Out() {
		t.Errorf("%d out, the one without a connection is out: %v", f.out, records[1].Out())
	}
	for range 5 {
		third.Add(now+2*ms, outcome.Bad, ms)
	}
	all := []*Record{records[0], third, records[1]}
	changes, _ := f.Sweep(now+2*ms, all, 0)
	if len(changes) != 0 || f.out != 1 {
		t.Errorf("%d out of three: %+v", f.out, changes)
	}
}

func TestStatesHaveWords(t *testing.T) {
	for s, want := range []string{"in", "ejected", "on trial", "returning", ""} {
		if got := State(s).String(); got != want {
			t.Errorf("%d is %q, want %q", s, got, want)
		}
	}
}

func TestDivergence(t *testing.T) {
	for _, c := range []struct {
		n       uint32
		part, p float64
		want    float64
	}{
		{5, 1, 0.01, 23}, {10, 0.5, 0.5, 0}, {10, 0.4, 0.5, 0}, {10, 1, 1, 0}, {12, 0.5, 0.05, 10}, {0, 1, 0.1, 0},
	} {
		if got := divergence(c.n, c.part, c.p); got < c.want-0.1 || got > c.want+0.1 {
			t.Errorf("%d, %v, %v: %v, want %v", c.n, c.part, c.p, got, c.want)
		}
	}
}
