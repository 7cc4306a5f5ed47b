package channel

import (
	"google.golang.org/grpc/balancer"

	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
)

// A picker gives an attempt its endpoint. It is immutable; endpoints[i] is
// what round robin knows as i.
type picker struct {
	engine    *balance.RoundRobin
	endpoints []*endpoint
}

// Pick is called by grpc-go on the goroutine of the call. An attempt may pick
// several times: grpc-go picks again when the connection was lost in between,
// and when it repeats a stream that the server provably did not process.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	a := attemptOf(info)
	var req balance.Request
	if a != nil {
		req.Avoid = a.pick()
	}
	i := p.engine.Pick(req)
	if i < 0 {
		// All were lost since this picker was made. The next one is on its way.
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	e := p.endpoints[i]
	if a == nil { // not made by our interceptors
		return balancer.PickResult{SubConn: e.conn}, nil
	}
	a.picked(e)
	return balancer.PickResult{SubConn: e.conn, Done: a.done}, nil
}

// attemptOf returns the attempt that a pick is for, nil for what was not made
// by our interceptors.
func attemptOf(info balancer.PickInfo) *attemptState {
	a, _ := info.Ctx.Value(attemptKey{}).(*attemptState)
	return a
}

// A waitPicker makes calls wait for the next picker.
type waitPicker struct{}

func (waitPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if a := attemptOf(info); a != nil {
		a.pick()
	}
	return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
}

// A failPicker fails calls that do not wait for ready. Its error wraps no
// status: grpc-go would end with that those that do wait, too.
type failPicker struct{ err error }

func (p failPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if a := attemptOf(info); a != nil {
		a.pick()
	}
	return balancer.PickResult{}, p.err
}
