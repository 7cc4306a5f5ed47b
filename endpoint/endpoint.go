// Package endpoint holds what a resolver can say of an endpoint beside its
// addresses: its weight, its zone and its group. Surefoot's own DNS resolver says
// the weights of SRV records; any other resolver of gRPC can set all.
package endpoint

import (
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"
)

// The keys of the attributes, types of our own so that none can collide.
type (
	weightKey struct{}
	zoneKey   struct{}
	groupKey  struct{}
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

// WithGroup returns e with the name of the group that it is in: endpoints that
// fail together, such as a shard, a cell or a version of the software. A contract
// may ask for a breaker in each group. At most 63 groups of a client have one.
func WithGroup(e resolver.Endpoint, group string) resolver.Endpoint {
	e.Attributes = with(e.Attributes, groupKey{}, group)
	return e
}

// Group returns the group of e, "" if none was said.
func Group(e resolver.Endpoint) string {
	g, _ := e.Attributes.Value(groupKey{}).(string)
	return g
}

func with(a *attributes.Attributes, key, value any) *attributes.Attributes {
	if a == nil {
		return attributes.New(key, value)
	}
	return a.WithValue(key, value)
}
