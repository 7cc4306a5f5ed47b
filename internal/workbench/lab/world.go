package lab

import (
	"fmt"
	"net/netip"
	"strings"
)

// world is the network in which one arm runs.
type world interface {
	// address is where server number n (from 1) lives.
	address(n int) netip.Addr
	// nameserver is where the DNS server listens.
	nameserver() netip.AddrPort
	// target is what clients of the service give to NewClient.
	target(layer int) string
	// service is the registry of a virtual address that stands for the fleet,
	// and that address.
	service() (registry, netip.Addr, error)
	// silence makes all packets to and from the address vanish.
	silence(netip.Addr) error
	// unsilence lets them pass again.
	unsilence(netip.Addr) error
}

const (
	serviceName = "inventory.lab.svc.cluster.local."
	servicePort = 7443
)

// nameOf is the name of the service in a layer; clients call the first.
func nameOf(layer int) string {
	if layer == 1 {
		return serviceName
	}
	return fmt.Sprintf("layer-%d.%s", layer, strings.TrimPrefix(serviceName, "inventory."))
}

// searchList is what Kubernetes writes into a pod's resolv.conf.
func searchList() []string {
	return []string{"lab.svc.cluster.local", "svc.cluster.local", "cluster.local"}
}

// podAddress numbers the servers through a /16: a.b.1.2, a.b.1.3 and so on.
func podAddress(a, b byte, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{a, b, byte(1 + n/250), byte(1 + n%250)})
}

// vacant is where the nth address without a server is.
func vacant(w world, n int) netip.Addr { return w.address(vacantFrom + n) }

// vacantFrom is beyond the largest fleet.
const vacantFrom = 1000

// build makes the world that the isolation gives. steps that the system
// refuses are a *StepError. drops says whether silence will be asked for.
func build(isolation Isolation, drops bool) (world, error) {
	switch isolation {
	case Namespaces:
		return newPrivateWorld(drops)
	case Loopback:
		return newLoopbackWorld()
	}
	return nil, fmt.Errorf("no world for the isolation %q", isolation)
}
