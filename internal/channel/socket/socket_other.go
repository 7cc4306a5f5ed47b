//go:build !linux

package socket

import (
	"net"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
)

// bytesOf knows nothing: only Linux says what has become of bytes.
func bytesOf(net.Conn) (s liveness.Socket, ok bool) { return s, false }

// SetUserTimeout does nothing: only Linux has TCP_USER_TIMEOUT.
func SetUserTimeout(net.Conn, time.Duration) error { return nil }
