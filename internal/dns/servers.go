package dns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A server that did not answer is asked after the others for avoidFor, and for
// twice as long each time that it is tried again in vain, up to avoidMax.
// Without that, each look-up would begin with a time-out for as long as the
// first server is down.
const (
	avoidFor = 30 * time.Second
	avoidMax = 16 * time.Minute
)

// An avoidance remembers which servers did not answer lately. The zero value is
// ready; it may be used from any goroutine.
type avoidance struct {
	mu     sync.Mutex // guards silent
	silent map[string]silence
}

// A silence is of a server that did not answer.
type silence struct {
	until time.Time // it is asked after the others
	next  time.Duration
}

// order returns servers with those that did not answer lately last. It keeps
// the order otherwise: the file's is by preference.
func (a *avoidance) order(servers []string, now time.Time) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var good, bad []string
	for _, s := range servers {
		if now.Before(a.silent[s].until) {
			bad = append(bad, s)
		} else {
			good = append(good, s)
		}
	}
	return slices.Concat(good, bad)
}

func (a *avoidance) note(server string, answered bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answered {
		delete(a.silent, server)
		return
	}
	if a.silent == nil || len(a.silent) >= 4*maxServers { // of resolv.conf files that are gone
		a.silent = map[string]silence{}
	}
	was := a.silent[server]
	if now.Before(was.until) {
		return // asked because all others fail, too
	}
	wait := max(avoidFor, was.next)
	a.silent[server] = silence{until: now.Add(wait), next: min(2*wait, avoidMax)}
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
