package attempt

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A ledger is a budget that remembers everything: what each driver was told to
// do, and when.
type ledger struct {
	policy policy.Budget
	now    time.Duration
	events []entry
	held   int64
	doubts []time.Duration // when attempts were given up with nowhere else to go
}

type entry struct {
	what event
	at   time.Duration
}

func (l *ledger) add(what event) { l.events = append(l.events, entry{what, l.now}) }

// within returns how many of these events are in the tenths of the window that end
// with the one that has begun.
func (l *ledger) within(what event, tenths time.Duration) (n int64) {
	tenth := l.policy.Window / 10
	for _, e := range l.events {
		if e.what == what && l.now/tenth-e.at/tenth < tenths {
			n++
		}
	}
	return n
}

// keepsPromise says that extra attempts, those that are spoken for among them, are
// no more than the policy says of the window that ends now, to the nanosecond.
func (l *ledger) keepsPromise() bool {
	var made, repeats int64
	for _, e := range l.events {
		switch {
		case e.at <= l.now-l.policy.Window:
		case e.what == calls:
			made++
		case e.what == extra:
			repeats++
		}
	}
	floor := int64(l.policy.MinPerSecond) * int64(l.policy.Window/time.Second)
	return 100*(repeats+l.held) <= int64(l.policy.RatioPercent)*made+100*floor
}

// release forgets what was held for d.
func (l *ledger) release(d *driven) {
	if d.held {
		d.held = false
		l.held--
	}
}

// affords says in fractions what a Budget says in integers.
func (l *ledger) affords() bool {
	return big.NewRat(l.within(extra, 11)+l.held+1, 1).Cmp(l.limit()) <= 0
}

// givesUp says the same of an attempt that is to be cancelled for another one.
func (l *ledger) givesUp(elsewhere bool) bool {
	if n := len(l.doubts); n > 0 && l.now-l.doubts[n-1] >= l.policy.Window {
		l.doubts = nil
	}
	if !elsewhere && len(l.doubts) > 1 {
		return false
	}
	without := max(l.within(extra, 10)-l.within(mended, 10), 0) + l.held + 1
	most := new(big.Rat).Add(big.NewRat(5, 1), new(big.Rat).Mul(big.NewRat(1, 5), l.limit()))
	return l.affords() && big.NewRat(without, 1).Cmp(most) <= 0
}

func (l *ledger) limit() *big.Rat {
	made, repeats, broken := l.within(calls, 10), l.within(extra, 10), l.within(failed, 10)
	limit := new(big.Rat).Mul(big.NewRat(int64(l.policy.RatioPercent), 100), big.NewRat(made, 1))
	mostlyFails := broken >= 5 && big.NewRat(broken, 1).Cmp(big.NewRat(made+repeats+1, 2)) > 0
	repeatsFail := l.within(extraFailed, 10)
	mendsNothing := repeatsFail >= 2 && big.NewRat(repeatsFail, 1).Cmp(big.NewRat(repeats, 4)) > 0
	if !mostlyFails && !mendsNothing {
		seconds := big.NewRat(int64(l.policy.Window), int64(time.Second))
		limit.Add(limit, seconds.Mul(seconds, big.NewRat(int64(l.policy.MinPerSecond), 1)))
	}
	return limit
}

// A driven is a call with what its driver did.
type driven struct {
	call  Call
	state Action // of the last step
	began bool
	held  bool // it was told to give up its attempt
	spare bool // its attempt found no endpoint: the next one stands in its place

	restricted bool
	deadline   time.Duration // 0 is none
	from       time.Duration // when it began
	last       outcome.Verdict
	made       int
	paid       int
}

// letters returns random steps of this many bytes, the last of which is the time
// that passes: most often little, or the window would hold next to nothing.
func letters(seed uint64, steps, width int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(width)))
	all := make([]byte, steps*width)
	for i := range all {
		all[i] = byte(r.Uint32())
		if i%width == width-1 && r.IntN(16) != 0 {
			all[i] %= 16
		}
	}
	return all
}

// FuzzPaidIsMade interleaves many calls that share one budget. After each step
// the attempts that were paid are those that were made, each by each, but for
// those in the place of one that found no endpoint; and the budget is the
// ledger's. Three bytes are a step: which call it is of and whether its attempt
// found an endpoint, how it ended, and how much time passes.
func FuzzPaidIsMade(f *testing.F) {
	f.Add(uint8(20), uint8(1), uint8(10), uint8(3), []byte{0, 0, 0, 1, 0, 0, 0, 7, 1, 1, 7, 3, 0, 0, 9, 1, 0, 255})
	f.Add(uint8(100), uint8(0), uint8(1), uint8(9), []byte{2, 5, 0, 2, 0x85, 0, 2, 0x85, 0, 2, 0x85, 50, 2, 0x86, 0})
	f.Add(uint8(10), uint8(3), uint8(2), uint8(4), []byte("a long text makes many calls, and each of its letters is a step of one of them"))
	for seed := range uint64(32) {
		f.Add(uint8(seed*13), uint8(seed), uint8(seed*7), uint8(seed*29), letters(seed, 200, 3))
	}
	// A repeat at 90 ms, and another call's at 1,020 ms: both are in a window of a
	// second, and their tenths are not. One more when the first is forgotten.
	f.Add(uint8(0), uint8(1), uint8(0), uint8(9), []byte{0, 0, 0, 0, 67, 19, 1, 0, 61, 1, 67, 0, 2, 0, 20, 2, 67, 0})
	// Two calls have earned a repeat, 1,024 ms before it is wanted: too long ago.
	f.Add(uint8(50), uint8(0), uint8(0), uint8(9), []byte{0, 0, 0, 1, 0, 0, 0, 67, 64})
	f.Fuzz(func(t *testing.T, ratio, perSecond, window, attempts uint8, steps []byte) {
		b := policy.Budget{
			RatioPercent: int(ratio % 101),
			MinPerSecond: int(perSecond % 8),
			Window:       time.Duration(window%10+1) * time.Second,
		}
		m := [2]policy.Method{{
			Safety:         policy.Idempotent,
			AttemptTimeout: 100 * time.Millisecond,
			Retry:          policy.Retry{MaxAttempts: int(attempts % 11), Backoff: policy.Backoff{Base: 25 * time.Millisecond, Max: time.Second}},
		}}
		m[0].Retry.UntilDeadline = attempts&0x40 != 0
		if attempts&0x80 != 0 {
			m[0].Retry.MaxElapsed = time.Second
		}
		m[1] = m[0]
		m[1].Safety = policy.Unsafe
		l := &ledger{policy: b}
		budget := NewBudget(b, start)
		running := make([]driven, 8)
		var started, begun, replaced int64
		for ; len(steps) >= 3; steps = steps[3:] {
			d := &running[steps[0]%8]
			how, r := steps[1], uint64(steps[1])<<56
			l.now += time.Duration(steps[2]) * time.Duration(steps[2]) * time.Millisecond / 4
			now := at(l.now)

			first := !d.began || d.state == Done
			could := l.affords()
			unplaced := false
			var step Step
			switch {
			case first:
				*d = driven{began: true, from: l.now}
				var deadline time.Duration
				if how&1 == 0 {
					d.deadline = l.now + 3*time.Second
					deadline = at(d.deadline)
				}
				d.call = newCall(&m[how>>1&1], budget, termsOf(&m[how>>1&1], deadline))
				if how&4 != 0 {
					d.call.Restrict()
					d.restricted = true
				}
				step = d.call.Begin(now)
				l.add(calls)
				begun++
			case d.state == Wait && how == 0: // the caller gave up meanwhile
				d.call.Abandon()
				l.release(d)
				d.state = Done
				continue
			case d.state == Wait:
				step = d.call.Resume(now)
			default:
				v := outcome.Success + outcome.Verdict(how%uint8(outcome.Answer))
				d.last = v
				var pb outcome.Pushback
				if how > 200 {
					pb = outcome.Pushback{Given: true, Stop: how > 240, After: time.Duration(how-201) * 10 * time.Millisecond}
				}
				if how%7 == 3 && how != 100 {
					inTime := m[0].Retry.MaxElapsed == 0 || l.now < d.from+m[0].Retry.MaxElapsed
					elsewhere := steps[0]&0x40 == 0
					if got := d.call.GiveUp(now, elsewhere); got != (l.givesUp(elsewhere) && inTime || d.held) {
						t.Fatalf("give up at %v: %v, elsewhere %v, with budget %v, held %v", l.now, got, elsewhere, could, d.held)
					} else if got && !d.held {
						d.held = true
						l.held++
						if !elsewhere {
							l.doubts = append(l.doubts, l.now)
						}
						if !l.keepsPromise() {
							t.Fatalf("given up at %v, for more than the budget has", l.now)
						}
					}
				}
				none := steps[0] >> 3 & 3 // 1 and 2 are none
				unplaced = v == outcome.Unprocessed && (none == 1 || none == 2) && how != 100
				switch {
				case unplaced: // it was no attempt
				case v.Failure():
					l.add(failed)
					if d.paid > 0 {
						l.add(extraFailed)
					}
				case d.paid > 0 && (v == outcome.Success || v == outcome.Answer):
					l.add(mended)
				}
				if steps[0]&0x80 != 0 { // it was where there was no other endpoint
					took := time.Duration(how) * 2 * time.Millisecond
					d.call.Answered(took)
					if n := len(l.doubts); took < m[0].AttemptTimeout && n > 0 {
						l.doubts = l.doubts[min(2, n):]
					}
				}
				could = l.affords()
				if how == 100 {
					step = d.call.End(now, v)
				} else {
					if none == 1 || none == 2 {
						d.call.Unplaced(none == 1)
					}
					step = d.call.Finish(now, v, pb, how&0x40 != 0, r)
				}
			}
			if step.Action == Start {
				d.made++
				started++
				switch {
				case first:
				case d.spare:
					replaced++
				default:
					l.add(extra)
					d.paid++
				}
			}
			if step.Action == Start && !first && !d.spare && !d.held && !l.keepsPromise() {
				t.Fatalf("%v at %v, for more than the budget has", step, l.now)
			}
			d.state = step.Action
			could = could || d.held || d.spare || unplaced
			if d.state != Wait || unplaced {
				l.release(d)
			}
			if late := d.deadline != 0 && l.now >= d.deadline; unplaced {
				waits := steps[0]>>3&3 == 1
				if got, want := step.Action == Wait, waits && !late; got != want || d.call.Refused() != (waits && late) {
					t.Fatalf("%v at %v, with no endpoint, waits %v, late %v", step, l.now, waits, late)
				}
			}
			d.spare = unplaced && d.state == Wait

			if !first && step.Action != Done && !could {
				t.Fatalf("%v at %v, with no budget", step, l.now)
			}
			if step.Action != Done && !first && d.restricted && d.last.Repeatable(policy.Idempotent) && !d.last.Repeatable(policy.Unsafe) {
				t.Fatalf("%v at %v, after %v of a call that serves a repeat", step, l.now, d.last)
			}
			if d.call.Refused() && step.Action != Done {
				t.Fatalf("%v at %v, and a repeat was refused", step, l.now)
			}
			if step.Why == "retry budget exhausted" && (could || !d.call.Refused()) {
				t.Fatalf("%v at %v, with budget", step, l.now)
			}
			if d.call.Made() != d.made {
				t.Fatalf("the call counts %d attempts, its driver made %d", d.call.Made(), d.made)
			}
			for what, name := range map[event]string{calls: "calls", extra: "paid = made", failed: "failed", extraFailed: "failed repeats", mended: "answered repeats"} {
				if got, want := int64(budget.counts.Sum(now, what)), l.within(what, 10); got != want {
					t.Fatalf("%s at %v: the budget has %d, the drivers %d", name, l.now, got, want)
				}
			}
			if got := budget.CanPay(now); got != l.affords() {
				t.Fatalf("can pay at %v: %v, in the ledger %v", l.now, got, l.affords())
			}
		}
		var paid int64
		for _, e := range l.events {
			if e.what == extra {
				paid++
			}
		}
		if paid+replaced != started-begun {
			t.Fatalf("%d paid and %d in place of none, %d started for %d calls", paid, replaced, started, begun)
		}
	})
}

// termsOf are the terms of a call that adds nothing to its method.
func newCall(m *policy.Method, b *Budget, t Terms) (c Call) {
	c.Init(m, b, t)
	return c
}

func termsOf(m *policy.Method, deadline time.Duration) Terms {
	return Terms{Deadline: deadline, AttemptTimeout: m.AttemptTimeout, Safety: m.Safety}
}

// An attempt that is given a timeout is one that may be followed by another.
func TestOnlyAnAttemptThatMayBeRepeatedHasATimeout(t *testing.T) {
	for _, safety := range []policy.Safety{policy.Unsafe, policy.Idempotent, policy.ReadOnly} {
		for attempts := range 5 {
			m := policy.Method{Safety: safety, AttemptTimeout: time.Second, Retry: policy.Retry{MaxAttempts: attempts}}
			b := NewBudget(policy.Budget{RatioPercent: 10_000, Window: time.Second}, start)
			c := newCall(&m, b, termsOf(&m, 0))
			for step := c.Begin(start); step.Action == Start; {
				timeout := step.For > 0
				step = c.Finish(start, outcome.Timeout, outcome.Pushback{}, true, 0)
				if again := step.Action == Start; timeout != again {
					t.Errorf("%v, attempt %d of %d: has a timeout %v, is repeated %v", safety, c.Made(), attempts, timeout, again)
				}
			}
			if want := map[bool]int{true: max(attempts, 1), false: 1}[safety.Repeatable()]; c.Made() != want {
				t.Errorf("%v: %d attempts of %d", safety, c.Made(), attempts)
			}
		}
	}
}

func TestACallKnowsItsDeadline(t *testing.T) {
	deadline := at(time.Second)
	c := newCall(&policy.Method{}, NewBudget(policy.Budget{}, start), Terms{Deadline: deadline})
	if c.Deadline() != deadline {
		t.Errorf("%v, want %v", c.Deadline(), deadline)
	}
}
