package socket

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SetUserTimeout bounds how long sent bytes may stay unacknowledged on conn
// (TCP_USER_TIMEOUT, RFC 5482), in whole milliseconds, at least one. Zero, and a conn
// that is not a bare TCP connection, as a custom dialer may return, change nothing.
func SetUserTimeout(conn net.Conn, d time.Duration) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || d <= 0 {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("set TCP_USER_TIMEOUT of the connection to %v: %w", conn.RemoteAddr(), err)
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		serr = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, max(int(d.Milliseconds()), 1)) // 0 is the system's default
	})
	if err == nil {
		err = serr
	}
	if err != nil {
		return fmt.Errorf("set TCP_USER_TIMEOUT of the connection to %v: %w", conn.RemoteAddr(), err)
	}
	return nil
}
