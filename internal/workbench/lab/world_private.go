package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// privateWorld is the network of new namespaces, in which this process is
// process 1 and may do what root may.
type privateWorld struct {
	drops *dropSet // nil when nothing will be dropped
	// bare says that the machine has no resolv.conf to put ours over.
	bare bool
}

// newPrivateWorld furnishes the namespaces this process was started in, step
// by step; the step that the system refuses is in the *StepError.
func newPrivateWorld(drops bool) (*privateWorld, error) {
	w := &privateWorld{}
	steps := []struct {
		name string
		do   func() error
	}{
		// Nothing that follows may reach the mounts of the machine.
		{"keep mounts to ourselves", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		// The old /proc shows the machine's process numbers, and starting a
		// process looks there for its own.
		{"mount /proc", func() error { return unix.Mount("proc", "/proc", "proc", 0, "") }},
		{"bring up the loopback device", loopbackUp},
		{"claim the addresses 10.0.0.0/9", claimAddresses},
		{"put our nameserver into /etc/resolv.conf", w.bindResolvConf},
		{"create the nftables set of silent servers", func() (err error) {
			if drops {
				w.drops, err = newDropSet()
			}
			return err
		}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return nil, failed(step.name, err)
		}
	}
	return w, nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// claimAddresses makes all of 10.0.0.0/9 local with one route, so that any
// address can be bound without being added. Connections made inside come from
// 10.200.0.1, so that the two ends of each have different addresses and a rule
// can tell them apart.
func claimAddresses() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	source := net.IPv4(10, 200, 0, 1)
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: source, Mask: net.CIDRMask(32, 32)}}); err != nil {
		return fmt.Errorf("add %s: %w", source, err)
	}
	return netlink.RouteReplace(&netlink.Route{
		LinkIndex: lo.Attrs().Index,
		Dst:       &net.IPNet{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(9, 32)},
		Type:      unix.RTN_LOCAL,
		Table:     unix.RT_TABLE_LOCAL,
		Scope:     unix.RT_SCOPE_HOST,
		Src:       source,
	})
}

// bindResolvConf puts a file of ours, in a file system that vanishes with the
// namespace, over /etc/resolv.conf. A machine without that file gets none,
// because creating it would outlive us; clients are then told where to ask.
func (w *privateWorld) bindResolvConf() error {
	const dir = "/tmp"
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "size=1m"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
	}
	file := dir + "/resolv.conf"
	text := fmt.Sprintf("nameserver %s\nsearch %s\noptions ndots:5\n", w.nameserver().Addr(), strings.Join(searchList(), " "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	err := unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, "")
	if errors.Is(err, unix.ENOENT) {
		w.bare = true
		return nil
	}
	return err
}

func (w *privateWorld) address(n int) netip.Addr { return podAddress(10, 0, n) }

func (w *privateWorld) nameserver() netip.AddrPort { return netip.MustParseAddrPort("10.0.0.53:53") }

func (w *privateWorld) target(layer int) string {
	if w.bare {
		return fmt.Sprintf("dns://%s/%s:%d", w.nameserver(), nameOf(layer), servicePort)
	}
	return fmt.Sprintf("dns:///%s:%d", strings.TrimSuffix(nameOf(layer), "."), servicePort)
}

func (w *privateWorld) service() (registry, netip.Addr, error) {
	at := netip.AddrFrom4([4]byte{10, 96, 0, 1}) // where Kubernetes has them by default
	v, err := newVirtualIP(at)
	if err != nil {
		return nil, at, failed("program the virtual address "+at.String(), err)
	}
	return v, at, nil
}

func (w *privateWorld) silence(a netip.Addr) error {
	if w.drops == nil {
		return syscall.EOPNOTSUPP
	}
	return w.drops.add(a)
}

func (w *privateWorld) unsilence(a netip.Addr) error {
	if w.drops == nil {
		return syscall.EOPNOTSUPP
	}
	return w.drops.remove(a)
}
