package channel

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/latency"
	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// An attempt that a hedge has overtaken took at least as long as it did. One that
// the caller gave up says nothing, for he may do so at any time.
func TestAnAttemptThatWasOvertakenIsASlowOne(t *testing.T) {
	for _, overtaken := range []bool{true, false} {
		w := new(latency.Window)
		s := &callState{
			channel: &Channel{epoch: time.Now().Add(-time.Second)},
			policy:  &policy.Method{Hedge: policy.Hedge{ExtraLoadPercent: 5, MaxHedges: 1}},
			of:      &method{latencies: latencies{attempts: w}},
		}
		a := &attemptState{call: s, lost: overtaken}
		a.learn(outcome.Abandoned)
		if n := w.At(s.channel.clock() + 2*time.Second).Count(); (n == 1) != overtaken {
			t.Errorf("overtaken %v: %d times are known", overtaken, n)
		}
	}
}
