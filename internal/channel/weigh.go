package channel

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/balance"
	"github.com/surefoot-rpc/surefoot/policy"
)

// slowStartFloor is the share, in percent, that an endpoint starts with.
const slowStartFloor = 10

// weigh gives each endpoint its weight: what the resolver says, less while it
// is new or comes back, shifted to the own zone. mu is held.
func (b *fleet) weigh(endpoints []*endpoint, p policy.Balance) []balance.Entry {
	ramp := balance.Ramp{Window: p.SlowStart, Floor: slowStartFloor}
	now := b.channel.clock()
	soon := time.Duration(0) // when a weight changes next
	entries := make([]balance.Entry, len(endpoints))
	plain := p.SlowStart == 0 && !b.returning
	for i, e := range endpoints {
		entries[i] = balance.Entry{Endpoint: &e.Endpoint, Weight: e.weight(), Group: uint8(e.group.Load())}
		plain = plain && entries[i].Weight == 1
	}
	if !plain {
		for i, e := range endpoints {
			w, next := ramp.Weight(entries[i].Weight, now-e.readyAt)
			if next > 0 && (soon == 0 || next-(now-e.readyAt) < soon) {
				soon = next - (now - e.readyAt)
			}
			entries[i].Weight = max(w*e.record.Weight()/100, 1)
		}
	}
	b.prefer(entries, endpoints, p)
	if soon > 0 {
		b.pending.in(b, soon, b.publish)
	}
	return entries
}

// prefer shifts weight to the endpoints of the client's own zone: all of it
// while enough of them are usable, else their part (Envoy's locality weights
// with an overprovisioning factor). Consistent hashing knows no zones: a key's
// place must not depend on who asks. mu is held.
func (b *fleet) prefer(entries []balance.Entry, endpoints []*endpoint, p policy.Balance) {
	zone := b.channel.cfg.Zone
	if zone == "" || p.OverprovisioningPercent == 0 || p.Picker == policy.ConsistentHash {
		return
	}
	all, here := 0, 0
	for _, list := range [][]*endpoint{b.endpoints, b.leaving} {
		for _, e := range list {
			if e.zone() == zone {
				all++
			}
		}
	}
	for _, e := range endpoints {
		if e.zone() == zone {
			here++
		}
	}
	away := len(endpoints) - here
	if here == 0 || away == 0 {
		return
	}
	const whole = 1000
	share := min(whole, here*p.OverprovisioningPercent*whole/100/all)
	weights, most := make([]uint64, len(endpoints)), uint64(0)
	for i, e := range endpoints {
		part := share * away
		if e.zone() != zone {
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
