package channel

import (
	"testing"
	"unsafe"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"

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

// What nobody else can know of is used again. Who keeps the context of an attempt
// finds no attempt in it then.
func TestOnlyAQuietCallIsUsedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*callState)
		again   bool
	}{
		"quiet":                          {func(*callState) {}, true},
		"something went wrong":           {func(s *callState) { s.inTrouble() }, false},
		"it may hedge":                   {func(s *callState) { s.hedges = new(hedges) }, false},
		"its time may be told to be up":  {func(s *callState) { s.first.over = true }, false},
		"another balancer may report it": {func(s *callState) { s.channel.xds = true }, false},
		"an interceptor may go on with it": {func(s *callState) {
			s.channel.cfg.Unary = []grpc.UnaryClientInterceptor{nil}
		}, false},
	} {
		s := &callState{channel: new(Channel), method: "/shop.v1.Shop/Get"}
		ctx := &attemptContext{Context: t.Context()}
		ctx.attempt.Store(&s.first)
		s.first.ctx = ctx
		c.happens(s)
		s.recycle()
		if again := s.method == ""; again != c.again {
			t.Errorf("%s: used again: %v", name, again)
		}
		if a, _ := ctx.Value(attemptKey{}).(*attemptState); (a == nil) != c.again {
			t.Errorf("%s: its context leads to %p", name, a)
		}
		ctx.done(balancer.DoneInfo{BytesSent: true})
		if s.first.told == c.again {
			t.Errorf("%s: it is told of what is reported: %v", name, s.first.told)
		}
	}
}
