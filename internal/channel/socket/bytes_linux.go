package socket

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
)

// bytesOf returns what the kernel knows of the bytes of conn (tcp(7): TCP_INFO,
// SIOCOUTQ, SIOCINQ). It knows nothing of what is not a bare TCP connection, nor
// of one that is closed. It never blocks.
func bytesOf(conn net.Conn) (s liveness.Socket, ok bool) {
	tcp, is := conn.(*net.TCPConn)
	if !is {
		return s, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return s, false
	}
	err = raw.Control(func(fd uintptr) {
		// In this order, what is acknowledged meanwhile makes the queue seem
		// shorter, never longer than it will become.
		info, err := unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Bytes_acked == 0 { // of a kernel that does not count
			return
		}
		queued, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if err != nil {
			return
		}
		unread, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		if err != nil {
			return
		}
		unsent := min(uint64(info.Notsent_bytes), uint64(queued))
		s = liveness.Socket{Acked: info.Bytes_acked, Unacked: uint64(queued) - unsent, Unsent: unsent, Unread: uint64(unread)}
		ok = true
	})
	return s, ok && err == nil
}
