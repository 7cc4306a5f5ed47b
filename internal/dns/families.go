package dns

import (
	"context"
	"errors"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A half is the outcome for one family.
type half struct {
	reply  reply
	server string
	err    error
}

// lookupName asks for both families of a rooted name.
func (r *Resolver) lookupName(ctx context.Context, c conf, name string) (Answer, error) {
	packed, err := dnsmessage.NewName(name)
	if err != nil {
		return Answer{}, &Error{Kind: BadName, Name: name, Err: err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask := func(t dnsmessage.Type) <-chan half {
		out := make(chan half, 1)
		go func() {
			q := dnsmessage.Question{Name: packed, Type: t, Class: dnsmessage.ClassINET}
			rep, server, err := r.askAll(ctx, c, q)
			out <- half{rep, server, err}
		}()
		return out
	}
	if !r.ipv6() {
		h := <-ask(dnsmessage.TypeA)
		return h.answer(name), h.err
	}
	first, second := ask(dnsmessage.TypeA), ask(dnsmessage.TypeAAAA)
	var v4, v6 half
	// Both goroutines end when ctx does, so that no case for ctx is needed, and
	// both are waited for.
	select {
	case v4 = <-first:
		v6 = r.settled(v4.err == nil, second, cancel)
	case v6 = <-second:
		v4 = r.settled(v6.err == nil, first, cancel)
	}
	return join(name, v4, v6)
}

// settled returns what comes from the other family: within a moment if there
// are addresses already, and then gives up on it.
func (r *Resolver) settled(enough bool, other <-chan half, giveUp context.CancelFunc) half {
	if enough {
		timer := time.AfterFunc(r.settle, giveUp)
		defer timer.Stop()
	}
	return <-other
}

func (h half) answer(name string) Answer {
	return Answer{Addrs: h.reply.addrs, TTL: h.reply.ttl, Name: name, Server: h.server}
}

// join makes one answer of two halves.
func join(name string, v4, v6 half) (Answer, error) {
	switch {
	case v4.err == nil && v6.err == nil:
		a := v4.answer(name)
		a.Addrs = append(a.Addrs, v6.reply.addrs...)
		a.TTL = min(a.TTL, v6.reply.ttl)
		return a, nil
	case v4.err == nil:
		a := v4.answer(name)
		a.NoIPv6 = unknown(v6.err)
		return a, nil
	case v6.err == nil:
		a := v6.answer(name)
		a.NoIPv4 = unknown(v4.err)
		return a, nil
	}
	// A failure says more than a denial, and a name that exists in one family
	// exists.
	a, b := asError(v4.err), asError(v6.err)
	switch {
	case !a.Kind.final():
		return Answer{}, a
	case !b.Kind.final():
		return Answer{}, b
	case a.Kind == NXDomain && b.Kind == NoData:
		return Answer{}, b
	default:
		return Answer{}, a
	}
}

// unknown returns err unless it says that the family has no addresses. That
// the name does not exist says nothing when the other family has some: a name
// exists for all types or none (RFC 8020), and servers that get it wrong are
// known (RFC 4074 §4.2).
func unknown(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == NoData {
		return nil
	}
	return err
}
