package fleet

import (
	"runtime"
	"testing"
	"weak"

	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
)

// A method that is not called again does not keep endpoints that are gone.
func TestAnEndpointThatIsGoneIsNotKeptForWhatItLacked(t *testing.T) {
	var l Lacking
	lack := func() (weak.Pointer[Endpoint], weak.Pointer[socket.Connection]) {
		e, wire := &Endpoint{addr: "10.0.0.1:1"}, socket.New(nil, nil)
		e.wire.Store(wire)
		l.Add(e, 10)
		if got := l.With(nil); len(got) != 1 || got[0] != &e.Endpoint {
			t.Errorf("avoids %v, want the endpoint", got)
		}
		return weak.Make(e), weak.Make(wire)
	}
	e, wire := lack()
	runtime.GC()
	runtime.GC()
	if e.Value() != nil || wire.Value() != nil {
		t.Error("the endpoint or its connection is kept")
	}
	if got := l.With(nil); len(got) != 0 {
		t.Errorf("avoids %v", got)
	}
}
