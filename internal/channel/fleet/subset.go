package fleet

import (
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/internal/engine/subset"
	"github.com/surefoot-rpc/surefoot/policy"
)

// subset returns those of the endpoints that this client uses: all, unless
// there are more than the contract's bound. Keys must find their endpoint
// whoever asks, so consistent hashing uses all. mu is held.
func (b *fleetBalancer) subset(found []resolver.Endpoint) []resolver.Endpoint {
	p := b.fleet.cfg.Policy.Balance
	if p.SubsetSize == 0 || len(found) <= p.SubsetSize || p.Picker == policy.ConsistentHash {
		return found
	}
	ids := make([]subset.ID, 0, len(found))
	for i := range found {
		ids = append(ids, identify(found[i]))
	}
	chosen := make([]resolver.Endpoint, 0, p.SubsetSize)
	for _, i := range subset.Pick(b.fleet.identity, ids, p.SubsetSize) {
		chosen = append(chosen, found[i])
	}
	return chosen
}

// identify returns the number that every client knows an endpoint by, behind a
// proxy or not.
func identify(f resolver.Endpoint) uint64 {
	return keyHash(key(f))
}

// identity returns who the client is among the clients of the same fleet.
func identity(cfg Config) subset.Identity {
	if cfg.Ordinal >= 0 {
		return subset.Ordinal(uint64(cfg.Ordinal))
	}
	if cfg.Name == "" {
		return subset.Hash(cfg.Random())
	}
	return subset.Hash(keyHash(cfg.Name))
}
