package fleet

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
)

// A Picker picks endpoints from those that were ready when it was made. It is
// immutable.
type Picker struct {
	fleet   *Fleet
	engine  balance.Picker
	entries []balance.Entry // those that the engine picks from
	trials  []outsider      // that are out and may be tried
	order   balance.Ordered // the engine, if keys have an order of their own

	counts bool // the engine looks at attempts in flight
	random bool // it needs a random number; what needs the time or a key needs that, too
	timed  bool // it needs the time
	keyed  bool // it needs a key
	header string
}

// Len returns how many endpoints there are to pick from.
func (p *Picker) Len() int { return len(p.entries) }

// Counts reports whether an attempt on an endpoint is to be counted, by its
// Begin and End.
func (p *Picker) Counts() bool { return p.counts }

// Fresh reports whether an endpoint is ready that is not to be avoided.
func (p *Picker) Fresh(avoid []*balance.Endpoint) bool {
	return p.engine.Fresh(balance.Request{Avoid: avoid})
}

// Fill adds to req what the engine needs beside it. ctx is the attempt's, and
// may have a key.
func (p *Picker) Fill(ctx context.Context, req *balance.Request) {
	if p.random {
		p.fill(ctx, req)
	}
}

func (p *Picker) fill(ctx context.Context, req *balance.Request) {
	req.Random = p.fleet.cfg.Random()
	if p.timed {
		req.Now = int64(p.fleet.clock())
	}
	if p.keyed {
		req.Key, req.Keyed = p.key(ctx)
	}
}

// Pick returns the endpoint for req, nil if all were lost since the picker was
// made: then the next one is on its way.
func (p *Picker) Pick(req *balance.Request) *Endpoint {
	if i := p.engine.Pick(*req); i >= 0 {
		return endpointOf(&p.entries[i])
	}
	return nil
}

// An outsider is an endpoint that is out, and its place among the entries if
// those have it.
type outsider struct {
	at    *Endpoint
	index int
}

// waiting is how long the repeatable calls have to take the trials of an
// endpoint before others may.
const waiting = 5 * time.Second

// Trial returns an endpoint that is out, is owed a trial and may have it of the
// first attempt of this call; nil if there is none. A call that cannot be
// repeated is not risked while others can. A call with a key goes only where its
// own order leads: to an endpoint that would have it, were it in.
func (p *Picker) Trial(req *balance.Request, repeatable bool) *Endpoint {
	if len(p.trials) == 0 {
		return nil
	}
	return p.trial(req, repeatable)
}

func (p *Picker) trial(req *balance.Request, repeatable bool) *Endpoint {
	now := p.fleet.clock()
	last := p.fleet.repeatable.Load()
	risky := !repeatable && last != 0 && now-time.Duration(last) < waiting
	var best *outsider
	for i := range p.trials {
		o := &p.trials[i]
		if o.at.Lost() || req.Shut>>o.at.group.Load()&1 != 0 || !o.at.record.TrialDue(now) || slices.Contains(req.Avoid, &o.at.Endpoint) {
			continue
		}
		if p.order == nil {
			if !risky && o.at.record.TakeTrial(now) {
				return o.at
			}
			continue
		}
		// No repeatable call may have a key that belongs here.
		if risky && o.at.record.OnTrialFor(now) < waiting {
			continue
		}
		if best == nil || p.order.Before(*req, o.index, best.index) {
			best = o
		}
	}
	if best == nil {
		return nil
	}
	home := p.order.Pick(*req)
	if home >= 0 && !p.entries[home].Out() && !p.order.Before(*req, best.index, home) {
		return nil
	}
	if !best.at.record.TakeTrial(now) {
		return nil
	}
	return best.at
}

// key returns the key of the call, if it has one.
func (p *Picker) key(ctx context.Context) (uint64, bool) {
	if key, ok := call.HashKey(ctx); ok {
		return keyHash(key), true
	}
	if p.header == "" {
		return 0, false
	}
	md, ok := metadata.FromOutgoingContext(ctx)
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
