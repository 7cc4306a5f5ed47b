package lab

import (
	"fmt"
	"os"
	"syscall"
)

// Isolation is what keeps a world apart from the machine.
type Isolation string

// The isolations.
const (
	Namespaces Isolation = "namespaces" // own network: every fault is possible
	Loopback   Isolation = "loopback"   // the machine's 127.0.0.0/8: faults of processes only
)

// ParseIsolation reads the name of an isolation; "" lets the lab choose.
func ParseIsolation(name string) (Isolation, error) {
	switch i := Isolation(name); i {
	case "", Namespaces, Loopback:
		return i, nil
	}
	return "", fmt.Errorf("unknown isolation %q: use %s or %s", name, Namespaces, Loopback)
}

const newWorld = syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS

// way is one way to start a keeper.
type way struct {
	isolation Isolation
	label     string
	attr      func() *syscall.SysProcAttr
}

// ways lists how a keeper may be started, the best first. Real root can do
// without a user namespace, which some containers refuse even to root.
func ways(want Isolation, euid int) []way {
	user := way{Namespaces, "user, network, process and mount namespaces", func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{
			Cloneflags:                 newWorld | syscall.CLONE_NEWUSER,
			UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			GidMappingsEnableSetgroups: false,
		}
	}}
	root := way{Namespaces, "network, process and mount namespaces as root", func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Cloneflags: newWorld}
	}}
	loop := way{Loopback, "loopback addresses of this machine", func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{}
	}}
	switch {
	case want == Loopback:
		return []way{loop}
	case euid == 0:
		return []way{user, root, loop}
	default:
		return []way{user, loop}
	}
}
