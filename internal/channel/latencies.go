package channel

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
	"github.com/surefoot-rpc/surefoot/internal/engine/latency"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// latencies is how long calls of a method took lately. What its policy does not
// ask for is nil.
type latencies struct {
	calls    *latency.Window
	attempts *latency.Window // but for hedges: those are few, and fast
	// hedgeLimit bounds the hedges to the extra load that is stated.
	hedgeLimit *attempt.Budget
	limited    int // the extra load that hedgeLimit was made for
}

// watch makes what p asks for, and keeps what there is.
func (l *latencies) watch(p *policy.Method, now time.Duration) {
	if p.DeadlineObserved.On() && l.calls == nil {
		l.calls = new(latency.Window)
	}
	if !p.MayBeRepeatable() {
		return
	}
	if (p.AttemptTimeoutObserved.On() || p.Hedge.Permille() > 0) && l.attempts == nil {
		l.attempts = new(latency.Window)
	}
	if p.Hedge.ExtraLoadPercent != l.limited {
		l.hedgeLimit, l.limited = attempt.HedgeLimit(p.Hedge, now), p.Hedge.ExtraLoadPercent
	}
}

// deadline returns how long a call with this policy may take, but for what its
// request adds.
func (l *latencies) deadline(p *policy.Method, now time.Duration) time.Duration {
	if !p.DeadlineObserved.On() || l.calls == nil {
		return p.Deadline
	}
	q, known := l.calls.At(now).Quantile(p.DeadlineObserved.QuantilePermille)
	return p.DeadlineObserved.Time(p.Deadline, q, known)
}

// attemptTimeout is deadline for an attempt.
func (l *latencies) attemptTimeout(p *policy.Method, now time.Duration) time.Duration {
	if !p.AttemptTimeoutObserved.On() || l.attempts == nil {
		return p.AttemptTimeout
	}
	q, known := l.attempts.At(now).Quantile(p.AttemptTimeoutObserved.QuantilePermille)
	return p.AttemptTimeoutObserved.Time(p.AttemptTimeout, q, known)
}

// hedgeAfter returns how long an attempt of a call with this policy may take
// before a hedge starts, 0 for no hedge.
func (l *latencies) hedgeAfter(p *policy.Method, now time.Duration) time.Duration {
	permille := p.Hedge.Permille()
	if permille == 0 || l.attempts == nil {
		return p.Hedge.After(0, false)
	}
	return p.Hedge.After(l.attempts.At(now).Quantile(permille))
}

// learn tells the method how long a took, if that says something of the attempts
// to come.
func (a *attemptState) learn(v outcome.Verdict) {
	if w := a.call.of.attempts; w != nil && a.hedge == nil && !a.call.policy.Streaming {
		a.teach(w, v)
	}
}

func (a *attemptState) teach(w *latency.Window, v outcome.Verdict) {
	c := a.call
	a.mu.Lock()
	from, lost := a.from, a.lost
	a.mu.Unlock()
	least := c.policy.AttemptTimeoutObserved.QuantilePermille
	if h := c.policy.Hedge.Permille(); h > 0 && (least == 0 || h < least) {
		least = h
	}
	now := c.channel.clock()
	learn(w, now, now-max(from, a.start), v.Timing(lost), least)
}

// learn tells the method how long the call took, if that says something of the
// calls to come.
func (s *callState) learn(err error) {
	if w := s.of.calls; w != nil && !s.policy.Streaming {
		s.teach(w, err)
	}
}

func (s *callState) teach(w *latency.Window, err error) {
	v := s.verdict
	if err == nil {
		v = outcome.Success
	}
	now := s.channel.clock()
	learn(w, now, now-s.start, v.Timing(false), s.policy.DeadlineObserved.QuantilePermille)
}

func learn(w *latency.Window, now, d time.Duration, t outcome.Timing, permille int) {
	switch t {
	case outcome.Took:
		w.Record(now, d)
	case outcome.AtLeast:
		w.RecordAtLeast(now, d, permille)
	case outcome.Untimed:
	}
}
