package liveness

import (
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// A Group watches the connections of one channel. It is used by one goroutine
// at a time.
type Group struct {
	policy policy.Liveness
}

// New returns a Group with this policy.
func New(p policy.Liveness) *Group { return &Group{policy: p} }

// Configure replaces the policy from the next Check on.
func (g *Group) Configure(p policy.Liveness) { g.policy = p }

// Check decides, at the time now, over all connections of the channel that are
// established. It returns what is to be done, which is valid until the next
// Check, and when to check again; zero is when [Connection.Sent] asks for it.
func (g *Group) Check(now time.Duration, connections []*Connection) (orders []Order, next time.Duration) {
	return nil, 0
}
