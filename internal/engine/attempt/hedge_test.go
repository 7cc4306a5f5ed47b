package attempt

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A hedged is a call that may hedge, with what its driver did.
type hedged struct {
	call    Call
	hedging Hedging
	began   bool
	over    bool
	running bool // what is no hedge is in flight
	flying  int  // hedges in flight
	waits   bool // the last step was to wait
	beside  bool // … or to await with a wait
	held    bool
	made    int
	hedges  int
	repeats int
	spare   bool // an attempt found no endpoint: the next one stands in its place
	free    int  // attempts that do not count against the limit
}

// idle reports whether nothing of the call goes on.
func (d *hedged) idle() bool { return !d.running && d.flying == 0 }

// FuzzPaidIsMadeOfHedges is FuzzPaidIsMade for calls of which several attempts
// are in flight. Both budgets are the ledgers', each attempt more than one per
// call was paid when it began, and no call is left with nothing to wait for.
// Four bytes are a step: which call and what happens to it, how its attempt
// ended, whether an endpoint is left, and how much time passes.
func FuzzPaidIsMadeOfHedges(f *testing.F) {
	f.Add(uint8(20), uint8(1), uint8(5), uint8(0x23), []byte{0, 0, 0, 0, 24, 0, 1, 9, 8, 0, 1, 9, 16, 0, 1, 9})
	f.Add(uint8(100), uint8(3), uint8(50), uint8(0x35), []byte{0, 0, 0, 0, 24, 0, 1, 9, 24, 0, 1, 9, 8, 5, 1, 9, 32, 0, 0, 20, 16, 5, 1, 9, 16, 5, 1, 9, 32, 0, 0, 9})
	f.Add(uint8(100), uint8(7), uint8(0), uint8(0x19), []byte("each letter of a long text is a part of a step of a call that hedges or that does not"))
	for seed := range uint64(32) {
		f.Add(uint8(seed*13), uint8(seed), uint8(seed*7%50), uint8(seed*29), letters(seed, 300, 4))
	}
	f.Fuzz(func(t *testing.T, ratio, perSecond, load, attempts uint8, steps []byte) {
		b := policy.Budget{RatioPercent: int(ratio % 101), MinPerSecond: int(perSecond % 8), Window: 2 * time.Second}
		m := policy.Method{
			Safety:         policy.Idempotent,
			AttemptTimeout: 100 * time.Millisecond,
			Retry:          policy.Retry{MaxAttempts: int(attempts % 11), Backoff: policy.Backoff{Base: 25 * time.Millisecond, Max: time.Second}},
			Hedge:          policy.Hedge{Delay: 20 * time.Millisecond, ExtraLoadPercent: int(load % 51), MaxHedges: int(attempts >> 4)},
		}
		l := &ledger{policy: b}
		own := &ledger{policy: policy.Budget{RatioPercent: m.Hedge.ExtraLoadPercent, Window: hedgeWindow}}
		budget, limit := NewBudget(b, start), HedgeLimit(m.Hedge, start)
		all := make([]hedged, 8)
		var started, begun, replaced, hedges int64
		for ; len(steps) >= 4; steps = steps[4:] {
			d := &all[steps[0]%8]
			op, fresh := steps[0]>>3%8, steps[2]&1 != 0
			v := outcome.Success + outcome.Verdict(steps[1]%uint8(outcome.Answer))
			var pb outcome.Pushback
			if how := steps[2]; how > 200 {
				pb = outcome.Pushback{Given: true, Stop: how > 240, After: time.Duration(how-201) * 10 * time.Millisecond}
			}
			l.now += time.Duration(steps[3]) * time.Duration(steps[3]) * time.Millisecond / 4
			own.now = l.now
			now := at(l.now)
			none := steps[2] >> 1 & 3 // 1 and 2 are none
			unplaced := v == outcome.Unprocessed && (none == 1 || none == 2) && op == 1
			if v.Failure() && !unplaced && (op == 1 && d.running || op == 2 && d.flying > 0) {
				l.add(failed)
				if op == 2 || d.repeats > 0 {
					l.add(extraFailed)
				}
			}
			if (v == outcome.Success || v == outcome.Answer) && (op == 1 && d.running && d.repeats > 0 || op == 2 && d.flying > 0) {
				l.add(mended)
			}
			if (none == 1 || none == 2) && (op == 1 && d.running || op == 2 && d.flying > 0) {
				d.call.Unplaced(none == 1)
			}

			could, hedgeable := l.affords() || d.held, limit == nil || own.affords()
			var step Step
			hedge := false
			switch {
			case op == 0 && (!d.began || d.over && d.idle()):
				*d = hedged{call: newCall(&m, budget, termsOf(&m, now+3*time.Second)), began: true}
				d.call.Hedge(&d.hedging, m.Hedge.Delay, limit)
				step = d.call.Begin(now)
				l.add(calls)
				if d.call.hedging != nil {
					own.add(calls)
				}
				begun++
				could = true
			case !d.began:
				continue
			case op == 1 && d.running:
				d.running = false
				if v.Free() && fresh || unplaced {
					d.free++
				}
				if unplaced && d.held {
					d.held = false
					l.held--
				}
				step = d.call.Finish(now, v, pb, fresh, uint64(steps[1])<<56)
			case op == 2 && d.flying > 0:
				d.flying--
				if v.Free() && fresh {
					d.free++
				}
				step = d.call.FinishHedge(now, v, pb, fresh, uint64(steps[1])<<56)
			case op == 3 && d.call.hedging != nil && !d.waits:
				hedge = true
				could = l.affords() // the one that is held is for a repeat
				step = d.call.StartHedge(now, fresh)
			case op == 4 && d.waits:
				d.waits = false
				step = d.call.Resume(now)
			case op == 4 && d.beside:
				d.beside = false
				step = d.call.ResumeBeside(now)
			case op == 5 && !d.idle():
				if got := d.call.GiveUp(now, true); got && !d.held {
					if d.over || !could {
						t.Fatalf("given up at %v, over %v, with budget %v", l.now, d.over, could)
					}
					d.held = true
					l.held++
				}
				continue
			case op == 6 && !d.over && (d.waits || d.call.hedging != nil):
				d.call.Abandon()
				step = Step{Action: Done}
			default:
				continue
			}

			switch step.Action {
			case Start:
				inPlace := d.spare && !hedge
				if d.over || !could && !inPlace || hedge && (!hedgeable || !fresh) {
					t.Fatalf("%v at %v: over %v, budget %v, extra load %v", step, l.now, d.over, could, hedgeable)
				}
				d.made++
				started++
				switch {
				case op == 0:
				case inPlace:
					d.spare = false
					replaced++
				default:
					l.add(extra)
				}
				if hedge {
					d.hedges++
					d.flying++
					hedges++
					own.add(extra)
				} else {
					if d.running {
						t.Fatalf("%v at %v beside an attempt that is no hedge", step, l.now)
					}
					if op != 0 && !inPlace {
						d.repeats++
						if d.held {
							d.held = false
							l.held--
						}
					}
					d.running = true
				}
				if d.call.HedgeAfter() != 0 && d.hedges >= m.Hedge.MaxHedges {
					t.Fatalf("%v at %v after %d hedges", step, l.now, d.hedges)
				}
			case Wait:
				d.waits = true
			case Await:
				if op == 1 || op == 4 {
					d.beside = step.For > 0
				}
			case Done:
				if d.over {
					t.Fatalf("%v at %v of a call that is over", step, l.now)
				}
				d.over, d.waits, d.beside = true, false, false
				if d.held {
					d.held = false
					l.held--
				}
			}
			if d.waits || d.over {
				d.beside = false
			}
			if unplaced && !d.over && (d.waits || d.beside) {
				d.spare = true
			}
			if d.running && d.hedging.vacant {
				t.Fatalf("%v at %v: its place is vacant, and it runs", step, l.now)
			}
			if d.idle() && !d.waits && !d.over {
				t.Fatalf("%v at %v: nothing is in flight, and nothing is waited for", step, l.now)
			}
			if d.waits && !d.idle() {
				t.Fatalf("%v at %v: waits while attempts are in flight", step, l.now)
			}
			if d.call.hedging != nil && int(d.hedging.inFlight) != d.flying+map[bool]int{true: 1}[d.running] {
				t.Fatalf("the call has %d in flight, its driver %d hedges and %v", d.hedging.inFlight, d.flying, d.running)
			}
			if d.made > max(m.Retry.MaxAttempts, 1)+d.free {
				t.Fatalf("%d attempts of %d, %d of which are free", d.made, m.Retry.MaxAttempts, d.free)
			}
			if d.hedges > m.Hedge.MaxHedges || d.call.Made() != d.made {
				t.Fatalf("%d hedges of %d, %d attempts and %d", d.hedges, m.Hedge.MaxHedges, d.made, d.call.Made())
			}
			if budget.held != int(l.held) {
				t.Fatalf("the budget holds %d, the drivers %d", budget.held, l.held)
			}
			for what, name := range map[event]string{calls: "calls", extra: "paid = made", failed: "failed", extraFailed: "failed repeats", mended: "answered repeats"} {
				if got, want := int64(budget.counts.Sum(now, what)), l.within(what, 10); got != want {
					t.Fatalf("%s at %v: the budget has %d, the drivers %d", name, l.now, got, want)
				}
			}
			if limit == nil {
				continue
			}
			for what, name := range map[event]string{calls: "calls", extra: "hedges"} {
				if got, want := int64(limit.counts.Sum(now, what)), own.within(what, 10); got != want {
					t.Fatalf("%s at %v: the limit has %d, the drivers %d", name, l.now, got, want)
				}
			}
			if limit.held != 0 {
				t.Fatalf("the limit holds %d", limit.held)
			}
		}
		paid := map[*ledger]int64{}
		for _, of := range []*ledger{l, own} {
			for _, e := range of.events {
				if e.what == extra {
					paid[of]++
				}
			}
		}
		if paid[l]+replaced != started-begun || paid[own] != hedges {
			t.Fatalf("%d paid, %d in place of none, %d started for %d calls; %d hedges, %d paid of the extra load", paid[l], replaced, started, begun, hedges, paid[own])
		}
	})
}

// A call that must not hedge is as one without: its driver orders nothing.
func TestACallThatMustNotHedgeDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		safety policy.Safety
		hedges int
		delay  time.Duration
	}{
		"unsafe":        {policy.Unsafe, 1, time.Millisecond},
		"none allowed":  {policy.ReadOnly, 0, time.Millisecond},
		"nobody's time": {policy.ReadOnly, 1, 0},
	} {
		m := policy.Method{Safety: c.safety, Retry: policy.Retry{MaxAttempts: 3}, Hedge: policy.Hedge{MaxHedges: c.hedges}}
		call := newCall(&m, NewBudget(policy.Budget{}, start), termsOf(&m, 0))
		call.Hedge(new(Hedging), c.delay, nil)
		if call.hedging != nil || call.MayHedge() || call.Begin(start).Action != Start || call.HedgeAfter() != 0 {
			t.Errorf("%s: it may hedge", name)
		}
	}
}

// What a method states is what it costs, whatever the delay is worth: all calls
// have become slow at once, and each of them asks for a hedge again and again.
func TestHedgesCostNoMoreThanStated(t *testing.T) {
	for _, load := range []int{1, 5, 20} {
		m := policy.Method{
			Safety: policy.ReadOnly,
			Retry:  policy.Retry{MaxAttempts: 3},
			Hedge:  policy.Hedge{ExtraLoadPercent: load, MaxHedges: 2},
		}
		b := NewBudget(policy.Budget{RatioPercent: 100, MinPerSecond: 100, Window: 10 * time.Second}, start)
		limit := HedgeLimit(m.Hedge, start)
		calls, hedges := 0, 0
		for ; calls < 2000; calls++ {
			now := at(time.Duration(calls) * 10 * time.Millisecond)
			var h Hedging
			c := newCall(&m, b, termsOf(&m, 0))
			c.Hedge(&h, 20*time.Millisecond, limit)
			c.Begin(now)
			for range 3 {
				if c.StartHedge(now, true).Action == Start {
					hedges++
				}
			}
			if 100*hedges > load*(calls+1) {
				t.Fatalf("%d hedges for %d calls, with %d %% stated", hedges, calls+1, load)
			}
		}
		if 100*hedges < load*calls-100 {
			t.Errorf("%d hedges for %d calls, with %d %% stated", hedges, calls, load)
		}
	}
}
