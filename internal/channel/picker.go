package channel

import (
	"errors"
	"slices"

	"google.golang.org/grpc/balancer"

	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
)

// pickerOf returns what grpc-go asks for endpoints, see fleet.Config.
func pickerOf(p *fleet.Picker, err error) balancer.Picker {
	switch {
	case p != nil:
		return picker{p}
	case err != nil:
		return failPicker{err}
	default:
		return waitPicker{}
	}
}

// A picker gives an attempt its endpoint.
type picker struct{ ready *fleet.Picker }

// Pick is called by grpc-go on the goroutine of the call. An attempt may pick
// several times: grpc-go picks again when the connection was lost in between,
// and when it repeats a stream that the server provably did not process.
func (p picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	a := attemptOf(info)
	if a == nil {
		return p.pickFor(info)
	}
	s, req := a.call, balance.Request{Avoid: a.pick()}
	if s.keyed {
		if err := s.sendsKey(info.Ctx); err != nil {
			return balancer.PickResult{}, err
		}
	}
	p.ready.Fill(info.Ctx, &req)
	if s.of.groups != nil {
		a.guide(&req)
	}
	var e *fleet.Endpoint
	if a.number == 1 {
		e = p.ready.Trial(&req, s.machine.Repeatable())
	}
	if e == nil {
		e = p.ready.Pick(&req)
	}
	if e == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	a.picked(e, p.ready.Counts(), len(req.Avoid) > 0 && slices.Contains(req.Avoid, &e.Endpoint))
	if s.of.groups != nil {
		a.entered(e)
	}
	return balancer.PickResult{SubConn: e.SubConn(), Done: a.ctx.done}, nil
}

// pickFor is Pick for what was not made by our interceptors.
func (p picker) pickFor(info balancer.PickInfo) (balancer.PickResult, error) {
	var req balance.Request
	p.ready.Fill(info.Ctx, &req)
	e := p.ready.Pick(&req)
	if e == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	return balancer.PickResult{SubConn: e.SubConn()}, nil
}

// attemptOf returns the attempt that a pick is for, nil for what was not made
// by our interceptors.
func attemptOf(info balancer.PickInfo) *attemptState {
	a, _ := info.Ctx.Value(attemptKey{}).(*attemptState)
	return a
}

var errUnready = errors.New("surefoot: no endpoint is ready")

// A waitPicker makes calls wait for the next picker.
type waitPicker struct{}

func (waitPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if a := attemptOf(info); a != nil {
		a.pick()
		if a.call.patience() > 0 { // which waits in our own hands
			a.foundNone()
			return balancer.PickResult{}, errUnready
		}
	}
	return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
}

// A failPicker fails calls that do not wait for ready.
type failPicker struct{ err error }

func (p failPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if a := attemptOf(info); a != nil {
		a.pick()
		a.foundNone()
	}
	return balancer.PickResult{}, p.err
}
