package ejection

import (
	"cmp"
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

const (
	// tick is the time between two sweeps while there is traffic.
	tick = 250 * time.Millisecond
	// rest is how long there must be none before sweeps stop.
	rest = time.Second
)

// A Fleet decides over the endpoints of one channel. It is used by one
// goroutine at a time.
type Fleet struct {
	policy policy.Ejection
	shared *shared // as the records know it

	swept   time.Duration // the last sweep
	active  time.Duration // the last sweep that saw a result
	results uint64        // ever
	past    past
	typical float64 // logarithm of the latency that is usual, as last known
	out     int     // endpoints of this sweep that are ejected or on trial

	spectrum spectrum
	suspects []suspect
	changes  []Change
}

// A suspect is an endpoint that is to be ejected if the cap allows it.
type suspect struct {
	index int
	finding
}

// New returns a Fleet with this policy.
func New(p policy.Ejection) *Fleet {
	f := &Fleet{shared: &shared{typical: never, slow: never}}
	f.Configure(p)
	return f
}

// Configure replaces the policy from the next Sweep on. What is known stays.
func (f *Fleet) Configure(p policy.Ejection) {
	f.policy = p
	f.tell()
}

// Sweep decides, at the time now and with a random number, over the endpoints
// that have a connection; those without one count neither as peers nor for the
// cap, and keep what is known of them. It returns what it changed, and when to
// sweep again at the latest; zero is when [Record.Add] asks for it.
//
// A growing weight is not a change: read [Record.Weight] when picking, or after
// each Sweep while an endpoint is returning. The changes are valid until the
// next Sweep.
func (f *Fleet) Sweep(now time.Duration, records []*Record, random uint64) (changes []Change, next time.Duration) {
	f.changes, f.suspects = f.changes[:0], f.suspects[:0]
	f.past.age(max(now-f.swept, 0))
	f.swept = max(now, f.swept)
	if f.off() {
		f.release(now, records)
		return f.changes, 0
	}
	v := f.look(now, records, random)
	f.tell()
	returning := false
	for i, r := range records {
		switch r.state {
		case Ejected:
			if now >= r.until {
				f.try(now, i, r)
			}
		case OnTrial:
			f.trial(now, i, r, random)
		case Returning:
			if now-r.turned >= ramp {
				f.turn(now, i, r, In, "it has its full weight")
				break
			}
			f.publish(r, now)
			returning = true
			f.judge(&v, i, r)
		case In:
			if r.level > 0 && now-r.turned >= f.policy.Max {
				r.level = 0
			}
			f.judge(&v, i, r)
		}
	}
	f.enforce(now, records, random)
	return f.changes, f.next(now, records, returning)
}

// off reports whether nothing may be out.
func (f *Fleet) off() bool {
	p := f.policy
	return p.Off || p.ConsecutiveFailures == 0 && p.FailurePercent == 0 && p.LatencyPercent == 0
}

// release lets everybody in.
func (f *Fleet) release(now time.Duration, records []*Record) {
	f.out = 0
	for i, r := range records {
		if r.state.out() {
			f.out++
		}
		if r.state != In {
			f.restart(now, r)
			f.turn(now, i, r, In, "ejection is off")
		}
		r.level = 0
		if r.flags.Load() != 0 {
			r.flags.Store(0)
		}
	}
}

// look reads what was counted, and returns what endpoints are judged against.
func (f *Fleet) look(now time.Duration, records []*Record, random uint64) view {
	enough := uint32(max(f.policy.MinRequests, 1)+buckets/2-2) / (buckets/2 - 1) // in three buckets
	f.out = 0
	for _, r := range records {
		if r.state.out() {
			f.out++
		}
		if r.shared.Load() != f.shared {
			r.shared.Store(f.shared)
		}
		if r.flags.Load()&asleep != 0 {
			r.flags.And(^asleep)
		}
		fresh, voids := r.collect()
		if fresh.results > 0 || voids > 0 {
			f.active = now
			f.results += uint64(fresh.results)
			r.voids += voids
		}
		if r.state.out() {
			r.note(fresh)
			continue
		}
		r.age(now, enough)
		if fresh.results > 0 {
			f.past.observe(fresh)
			r.note(fresh)
		}
	}
	v := view{policy: f.policy, past: &f.past}
	v.usual, v.streak = f.spectrum.take(records, random, f.policy)
	v.failingNow = f.spectrum.failing
	if whole := v.usual[len(v.usual)-1]; whole.timed >= fewest {
		f.typical = float64(whole.mean)
	}
	return v
}

func (f *Fleet) judge(v *view, i int, r *Record) {
	if found := v.find(r); found.weight > 0 {
		f.suspects = append(f.suspects, suspect{i, found})
	}
}

// enforce ejects the worst suspects, as many as the cap allows, and lets
// endpoints in again of which too many are out because others have gone.
func (f *Fleet) enforce(now time.Duration, records []*Record, random uint64) {
	limit := f.limit(len(records))
	slices.SortFunc(f.suspects, func(a, b suspect) int {
		return cmp.Or(-cmp.Compare(a.weight, b.weight), cmp.Compare(a.index, b.index))
	})
	for _, s := range f.suspects {
		if f.out >= limit {
			break
		}
		f.eject(now, s.index, records[s.index], random, s.why())
	}
	if f.out > limit {
		f.readmit(now, records, f.out-limit)
	}
}

// readmit lets those n in again whose time is over first.
func (f *Fleet) readmit(now time.Duration, records []*Record, n int) {
	var gone []int
	for i, r := range records {
		if r.state.out() {
			gone = append(gone, i)
		}
	}
	slices.SortStableFunc(gone, func(a, b int) int { return cmp.Compare(records[a].until, records[b].until) })
	for _, i := range gone[:n] {
		f.restart(now, records[i])
		f.turn(now, i, records[i], In, "too few others are left")
	}
}

// limit returns how many of n endpoints may be out. The last one never is.
func (f *Fleet) limit(n int) int {
	if f.policy.MaxPercent == 0 || n < 2 {
		return 0
	}
	return min(max(n*f.policy.MaxPercent/100, 1), n-1)
}

// next returns when to sweep again. If there is nothing to do before the next
// result, each record is told that it must ask.
func (f *Fleet) next(now time.Duration, records []*Record, returning bool) time.Duration {
	if returning || now-f.active < rest {
		return now + tick
	}
	next := never
	for _, r := range records {
		switch {
		case r.state == Ejected:
			next = min(next, r.until)
		case r.state == OnTrial && r.newest().results > 0:
			next = min(next, r.ejected+proofTime)
		}
		r.flags.Store(r.flags.Load() | asleep)
	}
	if next == never {
		return 0
	}
	return max(next, now+1)
}
