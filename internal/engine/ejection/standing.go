package ejection

import (
	"math/bits"
	"time"
)

const (
	// maxTrials of one ejection, all of which must succeed: an endpoint that
	// fails every second attempt passes so many once in 256 times.
	maxTrials = 8
	// trialShare bounds them: one trial for so many attempts of the fleet since
	// the endpoint was ejected. So a bad endpoint has 0.67 % of the attempts at
	// most for as long as it has not passed them all, however lucky it is. One is
	// always granted.
	trialShare = 150
	// trialSpacing is the least time between two trials of one endpoint.
	trialSpacing = 150 * time.Millisecond
	// proofTime is how long after an ejection began an endpoint is let in by
	// fewer trials, if the fleet makes too few attempts for all of them.
	proofTime = 10 * time.Second
	// slowTrials are enough to see that an endpoint is as slow as it was.
	slowTrials = 3
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
		standing = out
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
	r.ejected, r.before = now, f.results
	if r.level < 1<<6 {
		r.level++
	}
	f.turn(now, i, r, Ejected, why)
}

// try puts r on trial.
func (f *Fleet) try(now time.Duration, i int, r *Record) {
	f.restart(now, r)
	r.granted = 0
	if !f.policy.DryRun {
		r.trials.Store(uint64(max(now, 0)) &^ trialsLeft)
		f.grant(r)
	}
	f.turn(now, i, r, OnTrial, "its time is over")
}

// grant gives r the trials that the attempts of the fleet allow by now.
func (f *Fleet) grant(r *Record) {
	allowed := uint8(min(max((f.results-r.before)/trialShare, 1), maxTrials))
	if r.granted < allowed {
		r.trials.Add(uint64(allowed - r.granted))
		r.granted = allowed
	}
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
	if !f.policy.DryRun {
		f.grant(r)
	}
	b := r.newest()
	left := uint32(r.trials.Load() & trialsLeft)
	granted := uint32(r.granted)
	answered := b.results + r.voids
	all := granted == maxTrials && left == 0 && answered >= maxTrials
	proven := b.results >= maxTrials || b.results > 0 &&
		(all || now-r.ejected >= proofTime && answered >= granted-left)
	switch {
	case b.failed > 0:
		f.eject(now, i, r, random, "a trial failed")
	case (proven || b.results >= slowTrials) && f.dragging(&b):
		f.eject(now, i, r, random, "trials took "+latencyOf(float64(b.mean())).String()+
			", "+latencyOf(f.typical).String()+" is typical of its peers")
	case proven:
		f.restart(now, r)
		f.turn(now, i, r, Returning, "trials succeeded")
	case b.results == 0 && r.voids > 0 && left == 0 && r.voids >= granted: // none said anything
		if r.level > 0 {
			r.level--
		}
		f.eject(now, i, r, random, "its trials were abandoned")
	case left < granted && answered < granted-left && f.overdue(now, r):
		f.eject(now, i, r, random, "a trial had no result")
	}
}

// dragging reports whether what b holds is slow beside the peers.
func (f *Fleet) dragging(b *bucket) bool {
	return f.typical > 0 && slower(f.policy, float64(b.mean()), f.typical)
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
