package channel

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/surefoot-rpc/surefoot/policy"
)

// The lists of timeouts keep every length that they were given. One that depends
// on the request must not come into them.
func TestATimeoutThatDependsOnTheRequestIsInNoList(t *testing.T) {
	p := &policy.Method{AttemptTimeout: time.Second, AttemptTimeoutPerKiB: time.Millisecond}
	for size, want := range map[int]bool{0: false, 5000: true} {
		s := &callState{channel: &Channel{epoch: time.Now()}, ctx: t.Context(), policy: p, of: &method{}}
		s.terms(wrapperspb.String(strings.Repeat("x", size)))
		if s.ownTimeout != want {
			t.Errorf("%d bytes: of its own %v, want %v", size, s.ownTimeout, want)
		}
	}
}
