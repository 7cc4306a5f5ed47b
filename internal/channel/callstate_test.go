package channel

import (
	"testing"
	"unsafe"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
)

// The success of a call is what there is most of, and each byte of it is one more to
// clear and to collect: 416 is a size of Go's allocator.
func TestACallIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(callState{}); size > 416 {
		t.Errorf("%d bytes", size)
	}
}

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
