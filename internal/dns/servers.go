package dns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// avoidFor is how long a server that did not answer is asked after the others.
// Without it, each look-up would begin with a time-out for as long as the first
// server is down.
const avoidFor = 30 * time.Second

// An avoidance remembers which servers did not answer lately. The zero value is
// ready; it may be used from any goroutine.
type avoidance struct {
	mu    sync.Mutex // guards until
	until map[string]time.Time
}

// order returns servers with those that did not answer lately last. It keeps
// the order otherwise: the file's is by preference.
func (a *avoidance) order(servers []string, now time.Time) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var good, bad []string
	for _, s := range servers {
		if now.Before(a.until[s]) {
			bad = append(bad, s)
		} else {
			delete(a.until, s)
			good = append(good, s)
		}
	}
	return slices.Concat(good, bad)
}

func (a *avoidance) note(server string, answered bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answered {
		delete(a.until, server)
		return
	}
	if a.until == nil {
		a.until = map[string]time.Time{}
	}
	if len(a.until) >= 4*maxServers { // of resolv.conf files that are gone
		clear(a.until)
	}
	a.until[server] = now.Add(avoidFor)
}

// askAll asks the servers in order until one answers, conf.attempts times each,
// and returns which one that was. The error is the last server's that did not
// merely fall silent, because it says more.
func (r *Resolver) askAll(ctx context.Context, c conf, q dnsmessage.Question) (reply, string, error) {
	servers := r.avoid.order(c.servers, time.Now())
	var failure *Error
	for range c.attempts {
		for _, server := range servers {
			if ctx.Err() != nil {
				if failure == nil {
					failure = &Error{Kind: Timeout, Name: q.Name.String(), Type: typeName(q.Type), Err: ctx.Err()}
				}
				return reply{}, "", failure
			}
			rep, err := r.exchange.ask(ctx, server, q, c)
			e, failed := errors.AsType[*Error](err)
			if failed && errors.Is(ctx.Err(), context.Canceled) {
				return reply{}, "", e // given up by us: it says nothing about the server
			}
			r.avoid.note(server, !failed || e.Kind != Timeout && e.Kind != Network, time.Now())
			if !failed {
				return rep, server, nil
			}
			if e.Kind.final() {
				return reply{}, server, e
			}
			if failure == nil || e.Kind != Timeout {
				failure = e
			}
		}
	}
	return reply{}, "", failure
}
