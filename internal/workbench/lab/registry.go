package lab

import "net/netip"

// registry is what says which servers there are: the name server, or the
// virtual address in front of them.
type registry interface {
	list(addresses ...netip.Addr) error
	delist(a netip.Addr) error
}

// dnsRegistry is the registry of servers that DNS lists one by one.
type dnsRegistry struct{ *nameserver }

func (n dnsRegistry) list(addresses ...netip.Addr) error {
	n.nameserver.list(addresses...)
	return nil
}

func (n dnsRegistry) delist(a netip.Addr) error {
	n.nameserver.delist(a)
	return nil
}
