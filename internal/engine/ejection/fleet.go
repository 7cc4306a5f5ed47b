package ejection

import (
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// trialSpacing is the least time between two trials of one endpoint.
const trialSpacing = 150 * time.Millisecond

// A Fleet decides over the endpoints of one channel. It is used by one
// goroutine at a time.
type Fleet struct {
	policy policy.Ejection
}

// New returns a Fleet with this policy.
func New(p policy.Ejection) *Fleet { return &Fleet{policy: p} }

// Configure replaces the policy from the next Sweep on. What is known stays.
func (f *Fleet) Configure(p policy.Ejection) { f.policy = p }

// Sweep decides, at the time now and with a random number, over the endpoints
// that have a connection; those without one count neither as peers nor for the
// cap, and keep what is known of them. It returns what it changed, and when to
// sweep again at the latest; zero is when [Record.Add] asks for it.
//
// A growing weight is not a change: read [Record.Weight] when picking, or after
// each Sweep while an endpoint is returning. The changes are valid until the
// next Sweep.
func (f *Fleet) Sweep(now time.Duration, records []*Record, random uint64) (changes []Change, next time.Duration) {
	return nil, 0
}

// history is what sweeps remember of an endpoint.
type history struct {
	state State
}
