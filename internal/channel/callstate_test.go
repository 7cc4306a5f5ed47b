package channel

import (
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
)

// A call that repeats for a long time remembers each endpoint once.
func TestAnEndpointIsAvoidedOnce(t *testing.T) {
	var s callState
	a, b := new(fleet.Endpoint), new(fleet.Endpoint)
	for range 100 {
		s.avoid(a)
		s.avoid(b)
	}
	if n := len(s.tried()); n != 2 {
		t.Errorf("%d endpoints to avoid, want 2", n)
	}
}
