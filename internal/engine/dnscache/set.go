package dnscache

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Families is a set of address families. The zero value is none.
type Families uint8

// The address families of a name: A records and AAAA records.
const (
	IPv4 Families = 1 << iota
	IPv6
)

func familyOf(a netip.Addr) Families {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// A Record is one way to a server that an answer names. Two records are the
// same if address and port are; the rest describes them.
type Record struct {
	Addr netip.Addr
	// Port is what an SRV record says, 0 if the answer has no ports.
	Port uint16
	// Weight is the server's share of the calls in relation to the others', 0 if
	// the answer has no weights.
	Weight uint16
	// Host is the target of the SRV record that led to Addr, "" without one. The
	// records of one host may be one server.
	Host string
}

// String returns the address, with the port if there is one.
func (r Record) String() string {
	if r.Port == 0 {
		return r.Addr.String()
	}
	return netip.AddrPortFrom(r.Addr, r.Port).String()
}

// Compare orders records by address and port, and is 0 for the same ones.
func (r Record) Compare(o Record) int {
	if order := r.Addr.Compare(o.Addr); order != 0 {
		return order
	}
	return cmp.Compare(r.Port, o.Port)
}

// A held record is in use.
type held struct {
	Record

	missed    bool      // the last answer came without it
	confirmed time.Time // when an answer last came with it
}

// merge brings an answer that came at now into the set and reports whether the
// set changed.
func (e *Entry) merge(now time.Time, a Answer) bool {
	fresh := slices.Clone(a.Records)
	slices.SortFunc(fresh, func(x, y Record) int {
		if order := x.Compare(y); order != 0 {
			return order
		}
		// Of the same record twice the heavier one counts.
		return cmp.Or(cmp.Compare(y.Weight, x.Weight), cmp.Compare(x.Host, y.Host))
	})
	fresh = slices.CompactFunc(fresh, func(x, y Record) bool { return x.Compare(y) == 0 })

	merged := make([]held, 0, max(len(fresh), len(e.held)))
	changed := false
	old := e.held
	for len(old) > 0 || len(fresh) > 0 {
		var order int
		switch {
		case len(old) == 0:
			order = 1
		case len(fresh) == 0:
			order = -1
		default:
			order = old[0].Compare(fresh[0])
		}
		switch {
		case order == 0:
			changed = changed || old[0].Record != fresh[0]
			merged = append(merged, held{Record: fresh[0], confirmed: now})
			old, fresh = old[1:], fresh[1:]
		case order > 0:
			merged = append(merged, held{Record: fresh[0], confirmed: now})
			fresh = fresh[1:]
			changed = true
		default:
			h := old[0]
			old = old[1:]
			switch silent := a.silentAbout(h.Record); {
			case silent && e.stale(now, h), !silent && h.missed:
				changed = true
				continue
			case !silent:
				h.missed = true
			}
			merged = append(merged, h)
		}
	}
	e.held = merged
	if changed {
		e.published = make([]Record, len(merged))
		for i, h := range merged {
			e.published[i] = h.Record
		}
	}
	return changed
}

// stale reports whether h, of which this answer says nothing, has been confirmed
// by none for too long. One family that fails for ever must not keep alive what
// the other's answers say nothing of.
func (e *Entry) stale(now time.Time, h held) bool {
	return e.cfg.MaxStale > 0 && now.Sub(later(h.confirmed, e.wokenAt)) >= e.cfg.MaxStale
}

// silentAbout reports whether an answer without r says nothing about r.
func (a Answer) silentAbout(r Record) bool {
	return (a.Unanswered|a.UnansweredOf[r.Host])&familyOf(r.Addr) != 0
}
