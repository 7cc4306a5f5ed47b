package ejection

import (
	"math/bits"
	"time"
)

const (
	// maxTrials of one ejection, of which trialShare is what they may be of the
	// attempts of the fleet, so that a bad endpoint of a busy fleet costs less
	// than one call in a hundred. One is always granted.
	maxTrials  = 5
	trialShare = 100
	// trialSpacing is the least time between two trials of one endpoint.
	trialSpacing = 150 * time.Millisecond
	// leastPatience is how long a trial may go without a result before it has
	// failed.
	leastPatience = time.Second
	// ramp is how long an endpoint takes to its full weight, from firstWeight
	// percent. The weight grows with the square of time, so that one that came
	// back by luck is found out while it has little.
	ramp        = 3 * time.Second
	firstWeight = 5
)

// publish makes the state visible to picks.
func (f *Fleet) publish(r *Record, now time.Duration) {
	var standing, flags uint32
	switch {
	case r.state.out() && !f.policy.DryRun:
		standing = out | (100 - firstWeight)
	case r.state == Returning && !f.policy.DryRun:
		part := float64(min(max(now-r.turned, 0), ramp)) / float64(ramp)
		standing = uint32((100 - firstWeight) * (1 - part*part))
	}
	if r.state == OnTrial {
		flags = watching
	}
	if r.standing.Load() != standing {
		r.standing.Store(standing)
	}
	if r.flags.Load() != flags {
		r.flags.Store(flags)
	}
}

// turn moves r to another state.
func (f *Fleet) turn(now time.Duration, i int, r *Record, to State, why string) {
	f.changes = append(f.changes, Change{Index: i, From: r.state, To: to, Why: why})
	if r.state.out() != to.out() {
		if to.out() {
			f.out++
		} else {
			f.out--
		}
	}
	r.state, r.turned = to, now
	if to != OnTrial {
		r.trials.Store(0)
	}
	f.publish(r, now)
}

// eject takes r out for a time that doubles from ejection to ejection, with a
// jitter so that clients do not come back together.
func (f *Fleet) eject(now time.Duration, i int, r *Record, random uint64, why string) {
	limit := f.policy.Ceiling(int(r.level))
	jitter, _ := bits.Mul64(random*0x9e3779b97f4a7c15+uint64(i)*0xbf58476d1ce4e5b9, uint64(limit/4)+1)
	r.until = now + limit - time.Duration(jitter)
	r.before = f.results
	if r.level < 1<<6 {
		r.level++
	}
	f.turn(now, i, r, Ejected, why)
}

// try puts r on trial.
func (f *Fleet) try(now time.Duration, i int, r *Record) {
	f.restart(now, r)
	r.want = uint8(min(max((f.results-r.before)/trialShare, 1), maxTrials))
	if !f.policy.DryRun {
		r.trials.Store(uint64(max(now, 0))&^trialsLeft | uint64(r.want))
	}
	want := r.want
	f.turn(now, i, r, OnTrial, trialsWord(want))
}

func trialsWord(n uint8) string {
	if n == 1 {
		return "its time is over: 1 trial"
	}
	return "its time is over: " + string('0'+rune(n)) + " trials"
}

// restart begins the statistics of r anew.
func (f *Fleet) restart(now time.Duration, r *Record) {
	r.since.Store(int64(now))
	r.streak.Store(0)
	r.collect()
	r.voids = 0
	r.forget(now)
}

// trial decides over an endpoint on trial, by the results that are in.
func (f *Fleet) trial(now time.Duration, i int, r *Record, random uint64) {
	b := r.newest()
	left := uint32(r.trials.Load() & trialsLeft)
	want := uint32(r.want)
	answered := b.results + r.voids
	switch {
	case b.failed > 0 && b.failed >= b.results/maxTrials:
		f.eject(now, i, r, random, "a trial failed")
	case b.results >= want, b.results > 0 && left == 0 && answered >= want:
		if mean := float64(b.mean()); f.typical > 0 && slower(f.policy, mean, f.typical) {
			f.eject(now, i, r, random, "trials took "+latencyOf(mean).String()+", "+latencyOf(f.typical).String()+" is typical of its peers")
			return
		}
		f.restart(now, r)
		f.turn(now, i, r, Returning, "trials succeeded")
	case left == 0 && answered >= want: // none said anything
		if r.level > 0 {
			r.level--
		}
		f.eject(now, i, r, random, "its trials were abandoned")
	case !f.policy.DryRun && left < want && f.overdue(now, r) && answered < want-left:
		f.eject(now, i, r, random, "a trial had no result")
	}
}

// overdue reports whether the last trial granted should have ended.
func (f *Fleet) overdue(now time.Duration, r *Record) bool {
	granted := time.Duration(r.trials.Load()&^trialsLeft) - trialSpacing
	patience := leastPatience
	if f.typical > 0 {
		patience = max(patience, 4*latencyOf(f.typical)*time.Duration(max(f.policy.LatencyPercent, 100))/100)
	}
	return now-granted >= patience
}
