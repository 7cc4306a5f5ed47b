package ejection

import (
	"sync/atomic"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
)

// A Record is what is known of one endpoint. The zero Record is ready. Add,
// Out, Weight and TakeTrial may be called from any goroutine; the rest belongs
// to the goroutine that sweeps.
//
// What picks read, what ends of attempts write, and what sweeps keep lies on
// cache lines of its own.
type Record struct {
	standing atomic.Uint32 // published state: out, and 100 minus the weight
	flags    atomic.Uint32 // what Add must tell the driver of
	since    atomic.Int64  // attempts that began before do not count
	trials   atomic.Uint64 // see TakeTrial
	shared   atomic.Pointer[shared]
	_        [32]byte

	answers atomic.Uint64 // tally of good evidence, and of slow answers not waited for
	late    atomic.Uint64 // tally of failures that took long
	slow    atomic.Uint32 // either of them, if far slower than is typical
	failed  atomic.Uint32 // failures of either kind
	void    atomic.Uint32 // attempts that said nothing
	streak  atomic.Uint32 // failures since the last good answer
	plain   atomic.Uint32 // good answers whose time says nothing
	_       [28]byte

	history
}

// Flags of a record.
const (
	asleep   uint32 = 1 << iota // no Sweep is due: the next result asks for one
	watching                    // on trial: each result asks for a Sweep
)

// out marks a standing of an endpoint that balancing passes over.
const out uint32 = 1 << 31

// Untimed is the latency of what says nothing by how long it took: a stream.
const Untimed time.Duration = -1

// Reconnected says that the endpoint has a new connection: what the one before
// took with it is no evidence against this one.
func (r *Record) Reconnected(now time.Duration) {
	r.since.Store(int64(now))
	r.streak.Store(0)
}

// Add says that an attempt has ended at the time now, after latency, with this
// evidence. It reports whether a Sweep should run soon.
//
// An attempt that began before the endpoint's trial, or its return, says
// nothing about what the endpoint is now, and is not counted.
func (r *Record) Add(now time.Duration, e outcome.Evidence, latency time.Duration) (urgent bool) {
	if latency != Untimed && int64(now-latency) < r.since.Load() {
		return r.alert(false)
	}
	switch e {
	case outcome.Good:
		if latency == Untimed {
			r.plain.Add(1)
			r.streak.Store(0)
			break
		}
		r.answers.Add(tallyOf(latency))
		if s := r.shared.Load(); s != nil && latency > s.slow {
			r.slow.Add(1)
		}
		if r.streak.Load() != 0 {
			r.streak.Store(0)
		}
	case outcome.Bad:
		urgent = r.fail(latency)
	case outcome.RateOnly:
		r.failed.Add(1)
	case outcome.Overtaken:
		r.overtake(latency)
	default:
		r.void.Add(1)
	}
	return r.alert(true) || urgent
}

// fail counts a failure. How long it took says something only if that is
// longer than a good answer takes: a connection refused is not a fast endpoint.
func (r *Record) fail(latency time.Duration) (urgent bool) {
	r.failed.Add(1)
	n := r.streak.Add(1)
	s := r.shared.Load()
	if s == nil { // no Sweep has seen it
		return false
	}
	if latency > s.typical {
		r.late.Add(tallyOf(latency))
	}
	if latency > s.slow {
		r.slow.Add(1)
	}
	return n == s.limit
}

// overtake counts an attempt that another one was faster than. Who waited for less
// than a slow answer takes does not know how slow this one is. It is no answer:
// failures in a row go on.
func (r *Record) overtake(latency time.Duration) {
	if s := r.shared.Load(); s == nil || latency <= s.slow {
		r.void.Add(1)
		return
	}
	r.answers.Add(tallyOf(latency))
	r.slow.Add(1)
}

// alert reports whether the sweeper waits for a result.
func (r *Record) alert(counted bool) bool {
	f := r.flags.Load()
	if f == 0 {
		return false
	}
	if f&asleep != 0 {
		r.flags.And(^asleep)
		return true
	}
	return counted && f&watching != 0
}

// Out reports whether balancing passes over the endpoint.
func (r *Record) Out() bool { return r.standing.Load()&out != 0 }

// Weight returns how many percent of its full weight the endpoint has: 100, or
// less while it returns. That it is out is not a matter of its weight: who uses
// it all the same, because no other is left or too few are, needs all of it.
func (r *Record) Weight() uint32 { return 100 - r.standing.Load()&^out }

// A record's trials are one word, so that taking one is one compare-and-swap:
// the time of the next in nanoseconds, whose four lowest bits are replaced by
// how many are left.
const trialsLeft = 1<<4 - 1

// TrialDue reports whether TakeTrial would grant one.
func (r *Record) TrialDue(now time.Duration) bool {
	t := r.trials.Load()
	return t&trialsLeft != 0 && uint64(max(now, 0)) >= t&^trialsLeft
}

// OnTrialFor returns for how long the endpoint, which is on trial, has been.
func (r *Record) OnTrialFor(now time.Duration) time.Duration {
	return now - time.Duration(r.since.Load())
}

// TakeTrial reports whether the endpoint, which is out, may have this attempt
// as a trial. Trials are few for each ejection, and spaced.
func (r *Record) TakeTrial(now time.Duration) bool {
	for {
		t := r.trials.Load()
		if t&trialsLeft == 0 || uint64(max(now, 0)) < t&^trialsLeft {
			return false
		}
		next := uint64(now+trialSpacing)&^trialsLeft | (t&trialsLeft - 1)
		if r.trials.CompareAndSwap(t, next) {
			return true
		}
	}
}
