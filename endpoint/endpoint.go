// Package endpoint holds what a resolver can say of an endpoint beside its
// addresses: its weight and its zone. Surefoot's own DNS resolver says the
// weights of SRV records; any other resolver of gRPC can set both.
package endpoint

import (
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"
)

// The keys of the attributes, types of our own so that none can collide.
type (
	weightKey struct{}
	zoneKey   struct{}
)

// MaxWeight is the largest weight. Larger ones are cut to it.
const MaxWeight = 1 << 16

// WithWeight returns e with a weight: how many calls it gets, in relation to
// the weights of the others. 0 is none said, which counts as 1.
func WithWeight(e resolver.Endpoint, weight uint32) resolver.Endpoint {
	e.Attributes = with(e.Attributes, weightKey{}, min(weight, MaxWeight))
	return e
}

// Weight returns the weight of e, 0 if none was said.
func Weight(e resolver.Endpoint) uint32 {
	w, _ := e.Attributes.Value(weightKey{}).(uint32)
	return w
}

// WithZone returns e with the name of the zone that it is in.
func WithZone(e resolver.Endpoint, zone string) resolver.Endpoint {
	e.Attributes = with(e.Attributes, zoneKey{}, zone)
	return e
}

// Zone returns the zone of e, "" if none was said.
func Zone(e resolver.Endpoint) string {
	z, _ := e.Attributes.Value(zoneKey{}).(string)
	return z
}

func with(a *attributes.Attributes, key, value any) *attributes.Attributes {
	if a == nil {
		return attributes.New(key, value)
	}
	return a.WithValue(key, value)
}
