package breaker

import "time"

// A call that runs out of a time which its caller has made too short says nothing
// of the service: it would have, had all been well. Here the least time that says
// something is learnt: what half of the calls that succeed take longer than, since half
// of the calls is what opens the breaker. Where all callers give alike, those that
// succeed took less: whatever becomes too slow for all of them counts. Decision 013
// says what others do.
//
// Of a service that hangs there is nothing to learn, and it must open the breaker
// though its callers give less than the contract. So what was learnt holds only for
// as long as calls succeed, and without it a tenth of what the contract gives will do.

// A pace is how long calls that succeed take.
type pace struct {
	typical time.Duration // half of them take longer
	at      time.Duration // when the last one was
	learnt  bool          // that any was
}

// known reports whether any has succeeded within the window.
func (p *pace) known(now, window time.Duration) bool {
	return p.learnt && now-p.at < window
}

// follow moves the median by a sixteenth towards took, and not beyond: one that takes
// long now and then moves it no further than any other.
func (p *pace) follow(now, window, took time.Duration) {
	switch {
	case !p.known(now, window):
		p.typical = took
	case took > p.typical:
		p.typical = min(p.typical+p.typical/16+1, took)
	default:
		p.typical = max(p.typical-p.typical/16, took)
	}
	p.learnt, p.at = true, now
}

// Fair reports whether a call says something of the service that had so much time
// and ran out of it. contract is how much the contract gives, 0 for any time.
func (b *Breaker) Fair(now, given, contract time.Duration) bool {
	if contract > 0 && given >= contract {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pace.known(now, b.policy.Window) {
		return given >= b.pace.typical
	}
	return given >= contract/10
}
