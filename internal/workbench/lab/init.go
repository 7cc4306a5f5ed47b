package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Init is process 1 of a private world. It starts the keeper with the given
// arguments, passes SIGTERM on to it, reaps whatever is orphaned meanwhile, and
// returns the keeper's exit status when it ends. The kernel then kills what is
// left in the namespace.
func Init(args []string) (int, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	cmd := exec.Command("/proc/self/exe", args...) //nolint:gosec,noctx // starts itself; process 1 waits for it whatever happens
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	children := newSpawner()
	defer children.close()
	if err := children.start(cmd); err != nil {
		return 0, fmt.Errorf("start the keeper: %w", err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended just now
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the keeper: %w", err)
		case pid == cmd.Process.Pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case pid == cmd.Process.Pid && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}
