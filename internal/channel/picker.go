package channel

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/metadata"

	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
)

// A picker gives an attempt its endpoint. It is immutable.
type picker struct {
	channel *Channel
	engine  balance.Picker
	entries []balance.Entry // those that the engine picks from
	trials  []outsider      // that are out and may be tried
	order   balance.Ordered // the engine, if keys have an order of their own

	counts bool // the engine looks at attempts in flight
	random bool // it needs a random number
	timed  bool // it needs the time
	keyed  bool // it needs a key
	header string
}

// Pick is called by grpc-go on the goroutine of the call. An attempt may pick
// several times: grpc-go picks again when the connection was lost in between,
// and when it repeats a stream that the server provably did not process.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	a := attemptOf(info)
	var req balance.Request
	if a != nil {
		req.Avoid = a.pick()
		if a.call.keyed {
			if err := a.call.sendsKey(info.Ctx); err != nil {
				return balancer.PickResult{}, err
			}
		}
	}
	if p.random {
		req.Random = p.channel.cfg.Random()
	}
	if p.timed {
		req.Now = int64(p.channel.clock())
	}
	if p.keyed {
		req.Key, req.Keyed = p.key(info)
	}
	guarded := a != nil && a.call.groups != nil
	if guarded {
		p.guide(a, &req)
	}
	var e *endpoint
	if len(p.trials) > 0 && a != nil {
		e = p.trial(a, req)
	}
	if e == nil {
		i := p.engine.Pick(req)
		if i < 0 {
			// All were lost since this picker was made. The next one is on its way.
			return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
		}
		e = endpointOf(&p.entries[i])
	}
	if a == nil { // not made by our interceptors
		return balancer.PickResult{SubConn: e.conn}, nil
	}
	a.picked(e, p.counts, len(req.Avoid) > 0 && slices.Contains(req.Avoid, &e.Endpoint))
	if guarded {
		a.entered(e)
	}
	return balancer.PickResult{SubConn: e.conn, Done: a.done}, nil
}

// An outsider is an endpoint that is out, and its place among the entries if
// those have it.
type outsider struct {
	*endpoint

	index int
}

// waiting is how long the repeatable calls have to take the trials of an
// endpoint before others may.
const waiting = 5 * time.Second

// trial returns an endpoint that is out, is owed a trial and may have it of this
// call; nil if there is none. A call that cannot be repeated is not risked while
// others can. A call with a key goes only where its own order leads: to an
// endpoint that would have it, were it in.
func (p *picker) trial(a *attemptState, req balance.Request) *endpoint {
	if a.number > 1 {
		return nil
	}
	now := p.channel.clock()
	last := p.channel.repeatable.Load()
	risky := !a.call.machine.Repeatable() && last != 0 && now-time.Duration(last) < waiting
	var best *outsider
	for i := range p.trials {
		o := &p.trials[i]
		if o.Lost() || req.Shut>>o.group.Load()&1 != 0 || !o.record.TrialDue(now) || slices.Contains(req.Avoid, &o.Endpoint) {
			continue
		}
		if p.order == nil {
			if !risky && o.record.TakeTrial(now) {
				return o.endpoint
			}
			continue
		}
		// No repeatable call may have a key that belongs here.
		if risky && o.record.OnTrialFor(now) < waiting {
			continue
		}
		if best == nil || p.order.Before(req, o.index, best.index) {
			best = o
		}
	}
	if best == nil {
		return nil
	}
	home := p.order.Pick(req)
	if home >= 0 && !p.entries[home].Out() && !p.order.Before(req, best.index, home) {
		return nil
	}
	if !best.record.TakeTrial(now) {
		return nil
	}
	return best.endpoint
}

// key returns the key of the call, if it has one.
func (p *picker) key(info balancer.PickInfo) (uint64, bool) {
	if key, ok := call.HashKey(info.Ctx); ok {
		return keyHash(key), true
	}
	if p.header == "" {
		return 0, false
	}
	md, ok := metadata.FromOutgoingContext(info.Ctx)
	if !ok {
		return 0, false
	}
	v := md[p.header]
	if len(v) == 0 {
		return 0, false
	}
	return keyHash(v[0]), true
}

// keyHash is FNV-1a: every client, whatever its version, sends the same key to
// the same endpoint. The engine mixes it.
func keyHash(key string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * prime
	}
	return h
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
		if a.call.patience > 0 { // which waits in our own hands
			a.foundNone()
			return balancer.PickResult{}, errUnready
		}
	}
	return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
}

// A failPicker fails calls that do not wait for ready. Its error wraps no
// status: grpc-go would end with that those that do wait, too.
type failPicker struct{ err error }

func (p failPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if a := attemptOf(info); a != nil {
		a.pick()
		a.foundNone()
	}
	return balancer.PickResult{}, p.err
}
