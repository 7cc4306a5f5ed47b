package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

const loopbackDNSPort = 5353

// loopbackWorld lives on the machine's own 127.x.0.0/16. Several may live at a
// time: the DNS server's address reserves the network.
type loopbackWorld struct {
	second byte // of 127.second.0.0/16
}

func newLoopbackWorld() (*loopbackWorld, error) {
	var last error
	for second := byte(77); second < 127; second++ {
		w := &loopbackWorld{second: second}
		free, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(w.nameserver()))
		if err == nil {
			return w, free.Close()
		}
		last = err
	}
	return nil, failed("find a free network in 127.77.0.0 to 127.126.0.0", last)
}

func (w *loopbackWorld) address(n int) netip.Addr { return podAddress(127, w.second, n) }

func (w *loopbackWorld) nameserver() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, w.second, 0, 53}), loopbackDNSPort)
}

// target ends the name with a dot, so that the machine's own search list stays
// out of it.
func (w *loopbackWorld) target(layer int) string {
	return fmt.Sprintf("dns://%s/%s:%d", w.nameserver(), nameOf(layer), servicePort)
}

var errNoNetwork = errors.New("packets can only be dropped or sent elsewhere in a network namespace")

func (w *loopbackWorld) service() (registry, netip.Addr, error) {
	return nil, netip.Addr{}, errNoNetwork
}

func (w *loopbackWorld) silence(netip.Addr) error   { return errNoNetwork }
func (w *loopbackWorld) unsilence(netip.Addr) error { return errNoNetwork }
