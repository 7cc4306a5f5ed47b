package role

import (
	"slices"
	"sync"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// spending is what one client adds to its calls: repeats, hedges, grpc-go's own
// transparent retries, and streams that belong to no call. Its methods may be called
// from any goroutine.
type spending struct {
	mu     sync.Mutex         // guards what follows
	calls  []protocol.Instant // of the last while
	extra  []protocol.Instant
	ledger []use
}

// use is the part of the budget that was used when something was added.
type use struct {
	at   protocol.Instant
	part float64
}

// What the house's budget allows of scenario.BudgetWindow.
const (
	budgetRatio = 0.2
	budgetFloor = 1 // a second
)

// blur is how much earlier than a client the lab may see a call: the calls of so
// much more time earn, or else a client that spends all it may would be blamed for
// one of them.
const blur = 100 * time.Millisecond

// call notes that the caller makes a call.
func (s *spending) call(now protocol.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(recent(s.calls, now, scenario.BudgetWindow+blur), now)
}

// add notes that a stream is begun that is not the first of a call.
func (s *spending) add(now protocol.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = recent(s.calls, now, scenario.BudgetWindow+blur)
	s.extra = append(recent(s.extra, now, scenario.BudgetWindow), now)
	allowed := budgetRatio*float64(len(s.calls)) + budgetFloor*scenario.BudgetWindow.Seconds()
	s.ledger = append(s.ledger, use{now, float64(len(s.extra)) / allowed})
}

// worst is the largest part of the budget that was used in the measured part of the
// run.
func (s *spending) worst(run protocol.Go) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	worst := 0.0
	for _, u := range s.ledger {
		if u.at >= run.From && u.at < run.Until {
			worst = max(worst, u.part)
		}
	}
	return worst
}

// recent is those that are younger than the window. They are in order, but for those
// of goroutines that came late.
func recent(all []protocol.Instant, now protocol.Instant, window time.Duration) []protocol.Instant {
	from := slices.IndexFunc(all, func(at protocol.Instant) bool { return at > now.Add(-window) })
	if from < 0 {
		return all[:0]
	}
	return all[from:]
}
