package discovery

import (
	"slices"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"
)

// Behind an HTTP proxy grpc-go gives the balancer the proxy's address in place
// of each that a resolver found; what was found is in an attribute that only
// grpc-go can read, and attributes and server names are dropped. All endpoints
// then look alike. The attributes of the whole state come through: what was
// found travels in there.

// foundKey is the attribute that has it.
type foundKey struct{}

// everything is what a resolver found.
type everything struct{ endpoints []resolver.Endpoint }

// Equal makes it comparable as the value of an attribute.
func (e *everything) Equal(o any) bool { return e == o }

// noted returns s with its endpoints noted in the attributes.
func noted(s resolver.State) resolver.State {
	found := &everything{s.Endpoints}
	if s.Attributes == nil {
		s.Attributes = attributes.New(foundKey{}, found)
	} else {
		s.Attributes = s.Attributes.WithValue(foundKey{}, found)
	}
	return s
}

// ownKey is the attribute of an endpoint that has its own addresses.
type ownKey struct{}

// own are addresses.
type own struct{ addresses []resolver.Address }

// Equal makes them comparable as the value of an attribute.
func (o *own) Equal(p any) bool {
	q, ok := p.(*own)
	return ok && slices.EqualFunc(o.addresses, q.addresses, resolver.Address.Equal)
}

// Found returns the endpoints of s, which a balancer got: those behind a proxy
// with the attributes and the server name that the resolver gave them, and with
// their own addresses for [OwnAddresses].
func Found(s resolver.State) []resolver.Endpoint {
	found, _ := s.Attributes.Value(foundKey{}).(*everything)
	if found == nil || len(found.endpoints) != len(s.Endpoints) {
		return s.Endpoints
	}
	var out []resolver.Endpoint
	for i, e := range s.Endpoints {
		before := found.endpoints[i]
		if direct(e, before) {
			continue
		}
		if out == nil {
			out = slices.Clone(s.Endpoints)
		}
		out[i] = restored(e, before)
	}
	if out == nil {
		return s.Endpoints
	}
	return out
}

// direct reports whether e is as it was found.
func direct(e, found resolver.Endpoint) bool {
	return len(e.Addresses) == len(found.Addresses) && (len(e.Addresses) == 0 || &e.Addresses[0] == &found.Addresses[0] ||
		slices.EqualFunc(e.Addresses, found.Addresses, resolver.Address.Equal))
}

// restored gives e, which goes through a proxy, what was lost of found.
func restored(e, found resolver.Endpoint) resolver.Endpoint {
	addresses := &own{found.Addresses}
	if found.Attributes == nil {
		e.Attributes = attributes.New(ownKey{}, addresses)
	} else {
		e.Attributes = found.Attributes.WithValue(ownKey{}, addresses)
	}
	if len(found.Addresses) > 0 && found.Addresses[0].ServerName != "" {
		e.Addresses = slices.Clone(e.Addresses)
		for i := range e.Addresses {
			e.Addresses[i].ServerName = found.Addresses[0].ServerName
		}
	}
	return e
}

// OwnAddresses returns the addresses of e itself, and not those of a proxy.
func OwnAddresses(e resolver.Endpoint) []resolver.Address {
	if o, ok := e.Attributes.Value(ownKey{}).(*own); ok {
		return o.addresses
	}
	return e.Addresses
}
