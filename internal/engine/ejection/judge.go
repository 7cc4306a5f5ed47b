package ejection

import (
	"fmt"
	"math"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// beyondChance is how much evidence ejects: the logarithm of one in the number
// of windows of healthy endpoints that would be ejected by chance, at most
// (e^14.5 is two millions; the bound is not tight, so it is fewer still). An
// endpoint that has just come back must do with less.
const (
	beyondChance    = 14.5
	probationChance = 3.0
)

// divergence returns the evidence that n results, of which this part failed,
// are not those of an endpoint that fails at the rate p: the Chernoff bound
// n·KL(part‖p), below which lies the logarithm of the probability of so many
// (Hoeffding 1963, theorem 1).
func divergence(n uint32, part, p float64) float64 {
	if part <= p || p >= 1 {
		return 0
	}
	d := part * math.Log(part/p)
	if part < 1 {
		d += (1 - part) * math.Log((1-part)/(1-p))
	}
	return float64(n) * d
}

// A finding is a reason to eject. The zero finding is none.
type finding struct {
	weight float64 // evidence, by which the worst go first
	why    func() string
}

// view is what endpoints are judged against in one sweep.
type view struct {
	policy     policy.Ejection
	past       *past
	usual      [len(spans)]usual // over each span
	streak     uint32            // failures in a row that are usual
	failingNow float64           // which part of the newest results of the peers failed
}

// leastFailures is how many failures make a rate.
const leastFailures = 4

// probation is how many results say something of an endpoint that has just come
// back.
const probation = 1

// find returns the strongest reason to eject r.
func (v *view) find(r *Record) finding {
	if r.bad == 0 {
		return finding{}
	}
	sums := r.sums()
	own := &sums[len(sums)-1]
	found := v.inARow(r, own)
	whole, back := own.results, r.state == Returning
	if int(whole) < v.policy.MinRequests && (!back || whole < probation) {
		return found
	}
	for i := range sums {
		b, u := &sums[i], &v.usual[i]
		if f := v.failing(b, u, own, back); f.weight > found.weight {
			found = f
		}
		if i < steady || !back && !r.steady() {
			continue
		}
		if f := v.tooSlow(b, u, own, back); f.weight > found.weight {
			found = f
		}
	}
	return found
}

// inARow looks for consecutive failures. They mean nothing if the peers have
// them too, or if they fail so often that chance makes such a row.
func (v *view) inARow(r *Record, own *bucket) finding {
	n := r.streak.Load()
	limit := uint32(v.policy.ConsecutiveFailures)
	if limit == 0 || n < limit || v.streak > 0 {
		return finding{}
	}
	peers := max(v.past.rate(own), v.failingNow)
	for i := range v.usual {
		peers = max(peers, float64(v.usual[i].rate))
	}
	// However long the row is, it says no more than twice the limit.
	weight := divergence(min(n, 2*limit), 1, peers)
	if weight < beyondChance {
		return finding{}
	}
	return finding{weight, func() string {
		return fmt.Sprintf("%d failures in a row, where %.0f%% of the attempts on its peers fail", n, 100*peers)
	}}
}

// failing compares a rate of failures with that of the peers.
func (v *view) failing(b *bucket, u *usual, own *bucket, back bool) finding {
	p, chance, least, peersNeeded := v.policy, beyondChance, uint32(leastFailures), fewest
	if back {
		chance, least, peersNeeded = probationChance, 1, 1
	}
	rate := float64(b.rate())
	switch {
	case p.FailurePercent == 0, b.failed < least, u.rated < peersNeeded,
		100*rate < float64(p.FailurePercent),
		100*(rate-float64(u.rate)) < float64(p.FailureDistance):
		return finding{}
	}
	peers, n := max(v.past.rate(own), float64(u.rate), float64(v.usual[0].rate)), b.results
	weight := divergence(n, rate, peers)
	if weight < chance {
		return finding{}
	}
	return finding{weight, func() string {
		return fmt.Sprintf("%.0f%% of %d attempts failed, where %.0f%% of those on its peers do", 100*rate, n, 100*peers)
	}}
}

// tooSlow compares latencies: what is typical of the endpoint must be so slow
// that the policy ejects for it, and chance must not have done it. The second
// is asked of how many attempts were slow, and not of how far the latencies
// spread: that holds whatever their distribution is, for a service with fast
// and slow methods too.
func (v *view) tooSlow(b *bucket, u *usual, own *bucket, back bool) finding {
	least, chance, peersNeeded := uint32(leastFailures), beyondChance, fewest
	if back {
		least, chance, peersNeeded = 2, probationChance, 1
	}
	if b.slow < least || u.timed < peersNeeded {
		return finding{}
	}
	mean, peers, n := float64(b.mean()), float64(u.mean), b.timed
	if !slower(v.policy, mean, peers) {
		return finding{}
	}
	weight := divergence(n, float64(b.slowness()), max(v.past.slowness(own), float64(u.slowness), float64(v.usual[0].slowness)))
	if weight < chance {
		return finding{}
	}
	return finding{weight, func() string {
		return fmt.Sprintf("typical latency %v of %d attempts, %v of its peers", latencyOf(mean), n, latencyOf(peers))
	}}
}

// slower reports whether one logarithm of a latency is so far above another
// that the policy ejects for it.
func slower(p policy.Ejection, mean, peers float64) bool {
	if p.LatencyPercent == 0 {
		return false
	}
	a, b := math.Exp2(mean), math.Exp2(peers)
	return a*100 >= b*float64(p.LatencyPercent) && a-b >= float64(p.LatencyFloor)
}

// latencyOf returns the latency of a logarithm, rounded for people.
func latencyOf(logarithm float64) time.Duration {
	d := time.Duration(math.Exp2(logarithm))
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond)
	case d >= 10*time.Microsecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d
	}
}
