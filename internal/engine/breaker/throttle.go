package breaker

import (
	"math/bits"
	"time"
)

// The throttle is the adaptive throttling of "Site Reliability Engineering",
// chapter 21, "Handling Overload": over the window, a call is held back with the
// probability
//
//	max(0, (requests - K * accepts) / (requests + 1))
//
// where requests are the calls that the application made, those held back
// included, and accepts are those that the service did not refuse. go-zero,
// Kratos and Envoy's admission control use it as well. gRFC A6's throttling is
// another thing: a bucket of tokens that stops repeats and lets every first
// attempt through, which helps nobody whose first attempts are too many; the
// budget does here what it does.
//
// By the formula alone it lets go slowly, because what it held back was asked
// for: at nine calls of ten it still holds back most of them a whole window after
// the service has healed. So a run of successes that chance explains only once in
// twenty thousand times, if the service still refused what the formula aims
// at, ends it at once.
//
// A call counts when it ends and not when it begins, so that one that says
// nothing of the service need not be taken back. Failures other than refusals
// count as accepted: they are the circuit's to judge. And refusals are not
// failures to the circuit while there is a throttle, for a service that sheds
// half of its load does half of its work.

// holdBack reports whether a call is held back, and counts it if so. It is
// called with mu held.
func (b *Breaker) holdBack(now time.Duration, random uint64) bool {
	if !b.policy.Throttles() {
		return false
	}
	excess, of := b.excess(now)
	if excess == 0 {
		if b.counts.Sum(now, refused)+b.counts.Sum(now, heldBack) == 0 {
			b.pressed = false
			b.publish()
		}
		return false
	}
	part, _ := bits.Mul64(random, of)
	percent, _ := bits.Mul64(random, 100)
	if part >= excess || percent >= uint64(b.policy.Throttle.MaxPercent) {
		return false
	}
	b.counts.Add(now, heldBack, 1)
	return true
}

// excess returns the probability as a fraction, in whole numbers.
func (b *Breaker) excess(now time.Duration) (excess, of uint64) {
	accepts := b.counts.Sum(now, succeeded) + b.counts.Sum(now, failed)
	requests := accepts + b.counts.Sum(now, refused) + b.counts.Sum(now, heldBack)
	of = 100 * uint64(requests+1)
	if requests < b.policy.MinCalls {
		return 0, of
	}
	return uint64(max(0, 100*requests-b.policy.Throttle.AcceptPercent*accepts)), of
}

// percent returns how many of a hundred calls are held back now.
func (b *Breaker) percent(now time.Duration) int {
	excess, of := b.excess(now)
	return min(int(100*excess/of), b.policy.Throttle.MaxPercent)
}

// refuse counts a refusal, and makes Allow look at the window from now on.
func (b *Breaker) refuse(now time.Duration) {
	b.counts.Add(now, refused, 1)
	b.taken = 0
	if !b.pressed {
		b.pressed = true
		b.publish()
	}
}

// relent counts a success of a service that refused calls lately, and forgets
// that it did after enough of them in a row. Of what the formula lets through,
// the service refuses the part (K-1)/K, so that n successes in a row have the
// probability K^-n, which is below e^-10 from n = 10 * K / (K-1) on.
func (b *Breaker) relent(now time.Duration) {
	b.taken++
	if k := b.policy.Throttle.AcceptPercent; k > 100 && b.taken*(k-100) >= 10*k {
		b.forget(now)
		b.publish()
	}
}
