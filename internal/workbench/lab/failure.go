package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// StepError is a step of building a world that the system refused.
type StepError struct {
	Step string        `json:"step"`
	Text string        `json:"text"`  // the system's own words
	No   syscall.Errno `json:"errno"` // 0 when the failure carried none
}

func failed(step string, err error) *StepError {
	f := &StepError{Step: step, Text: err.Error()}
	f.No, _ = errors.AsType[syscall.Errno](err) // 0 without one
	return f
}

// Error says which step failed and what can be done.
func (f *StepError) Error() string {
	return fmt.Sprintf("%s: %s; %s", f.Step, f.Text, f.Advice())
}

// Advice says what to do about the failure on this machine.
func (f *StepError) Advice() string { return advice(f.No, readSysctl) }

// advice maps errno to a remedy; sysctl reads a kernel setting and returns ""
// where there is none.
func advice(no syscall.Errno, sysctl func(string) string) string {
	switch no {
	case syscall.ENOSPC, syscall.EUSERS:
		return "the kernel allows no more namespaces: raise the sysctls user.max_user_namespaces, user.max_net_namespaces, user.max_pid_namespaces and user.max_mnt_namespaces above 0"
	case syscall.EPERM, syscall.EACCES:
		if sysctl("kernel/unprivileged_userns_clone") == "0" {
			return "unprivileged user namespaces are switched off: sysctl kernel.unprivileged_userns_clone=1, or run as root"
		}
		if sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" {
			return "AppArmor restricts user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
		}
		return "the system refuses it, as containers do: allow user namespaces in the container's seccomp profile (docker run --security-opt seccomp=unconfined), or run outside of the container"
	case syscall.EINVAL:
		return "the system refuses it, as in a chroot, whose root is no mount point: run outside of it"
	case syscall.EADDRINUSE:
		return "another program listens there: end it, or wait for the other run of the lab"
	case syscall.ENOENT, syscall.EOPNOTSUPP, syscall.EPROTONOSUPPORT, syscall.EAFNOSUPPORT:
		return "this kernel lacks the feature: use one with namespaces and nf_tables"
	default:
		return "nothing is known about this failure"
	}
}

func readSysctl(name string) string {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
