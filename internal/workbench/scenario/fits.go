package scenario

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// fits checks what parts of the file say of each other.
func (d *decoder) fits(body ast.Node, s *Scenario) {
	at := start(body)
	ages := s.has(GRPCMaxAge)
	switch {
	case ages && s.Fleet.MaxConnectionAge == 0:
		d.failf(at, "the arm %q needs fleet.max_connection_age: add it", GRPCMaxAge)
	case !ages && s.Fleet.MaxConnectionAge > 0:
		d.failf(at, "fleet.max_connection_age is for the arm %q, which does not take part: add the arm or remove the field", GRPCMaxAge)
	}
	if s.has(GRPCRingHash) && s.Load.Keys == 0 {
		d.failf(at, "the arm %q needs load.keys, by which it hashes: add them", GRPCRingHash)
	}
	if s.Contract.Text != "" && len(s.Arms) > 0 && !s.has(Surefoot) {
		d.failf(at, "contract is for the arm %q, which does not take part: add the arm or remove the field", Surefoot)
	}
	if (s.Fleet.SlowPercent > 0) != (s.Fleet.SlowWork > 0) {
		d.failf(at, "fleet.slow_percent of the calls take fleet.slow_work: give both or neither")
	}
	if s.Load.Writes > 0 && s.writes() > maxWrites {
		d.failf(at, "the load makes %.0f writes, of which servers remember %d: call less or lower load.writes", s.writes(), maxWrites)
	}
	d.layersFit(at, s)
	if s.DNS.VirtualIP && s.DNS.Refusing+s.DNS.Silent > 0 {
		d.failf(at, "dns.virtual_ip lists one address, and dns.refusing and dns.silent list more: remove one of them")
	}
	if s.Load.Cold && s.Load.Warmup > 0 {
		d.failf(at, "load.cold counts the first calls, and load.warmup, 1s unless it is set, does not: set load.warmup to 0s")
	}
	if s.Fleet.Servers > 0 && len(s.Joining()) == s.Fleet.Servers {
		d.failf(at, "every server joins later: clients need one to start with")
	}
}

// layersFit checks what is said of services behind each other.
func (d *decoder) layersFit(at *token.Token, s *Scenario) {
	if s.Fleet.Layers == 1 {
		if s.has(GRPCOwnTimeouts) {
			d.failf(at, "the arm %q is about servers that call others: add fleet.layers", GRPCOwnTimeouts)
		}
		return
	}
	if s.Fleet.Servers%s.Fleet.Layers != 0 {
		d.failf(at, "fleet.servers is %d, which cannot be dealt out to %d layers evenly: choose a multiple", s.Fleet.Servers, s.Fleet.Layers)
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"dns.virtual_ip", s.DNS.VirtualIP}, {"dns.refusing", s.DNS.Refusing > 0}, {"dns.silent", s.DNS.Silent > 0},
		{"load.writes", s.Load.Writes > 0},
		{"load.watch", s.Load.Watch > 0}, {"load.lease", s.Load.Lease > 0},
	} {
		if f.set {
			d.failf(at, "%s is for a fleet of one layer: remove it or fleet.layers", f.name)
		}
	}
}
