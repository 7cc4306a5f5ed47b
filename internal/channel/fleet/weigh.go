package fleet

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/policy"
)

// slowStartFloor is the share, in percent, that an endpoint starts with.
const slowStartFloor = 10

// weigh gives each endpoint its weight: what the resolver says, less while it
// is new or comes back, shifted to the own zone. mu is held.
func (b *fleetBalancer) weigh(l *lineup, p policy.Balance) {
	ramp := balance.Ramp{Window: p.SlowStart, Floor: slowStartFloor}
	now := b.fleet.clock()
	soon := time.Duration(0) // when a weight changes next
	if p.SlowStart > 0 || b.returning || !l.even {
		for i := range l.entries {
			entry := &l.entries[i]
			e := endpointOf(entry)
			w, next := ramp.Weight(entry.Weight, now-e.readyAt)
			if next > 0 && (soon == 0 || next-(now-e.readyAt) < soon) {
				soon = next - (now - e.readyAt)
			}
			entry.Weight = max(w*e.record.Weight()/100, 1)
		}
	}
	b.prefer(l.entries, p)
	if soon > 0 {
		b.pending.in(b, soon, b.publish)
	}
}

// prefer shifts weight to the endpoints of the client's own zone: all of it
// while enough of them are usable, else their part (Envoy's locality weights
// with an overprovisioning factor). Consistent hashing knows no zones: a key's
// place must not depend on who asks. mu is held.
func (b *fleetBalancer) prefer(entries []balance.Entry, p policy.Balance) {
	zone := b.fleet.cfg.Zone
	if zone == "" || p.OverprovisioningPercent == 0 || p.Picker == policy.ConsistentHash {
		return
	}
	all, here := 0, 0
	for _, list := range [][]*Endpoint{b.endpoints, b.leaving} {
		for _, e := range list {
			if e.zone() == zone {
				all++
			}
		}
	}
	for i := range entries {
		if endpointOf(&entries[i]).zone() == zone {
			here++
		}
	}
	away := len(entries) - here
	if here == 0 || away == 0 {
		return
	}
	const whole = 1000
	share := min(whole, here*p.OverprovisioningPercent*whole/100/all)
	weights, most := make([]uint64, len(entries)), uint64(0)
	for i := range entries {
		part := share * away
		if endpointOf(&entries[i]).zone() != zone {
			part = (whole - share) * here
		}
		weights[i] = uint64(entries[i].Weight) * uint64(part)
		most = max(most, weights[i])
	}
	scale := most>>31 + 1 // what is left fits, and keeps its proportions
	for i, w := range weights {
		entries[i].Weight = uint32(w / scale)
	}
}
