package socket

import (
	"net"
	"sync/atomic"

	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
)

// A Connection is the net.Conn that grpc-go reads and writes, with its bytes
// counted: silence is evidence only if one knows of it. It wraps what a
// handshake made, so that the dialer's own connection stays bare and the
// kernel's options can be set on it.
type Connection struct {
	net.Conn

	raw net.Conn // what was dialled
	// Life is what is known of the peer from the connection's bytes.
	Life   liveness.Connection
	closed atomic.Bool
}

// New returns the connection whose bytes go through secure, which a handshake
// made of raw, or which is raw.
func New(secure, raw net.Conn) *Connection { return &Connection{Conn: secure, raw: raw} }

func (c *Connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.Life.Read.Add(uint64(n))
	}
	return n, err
}

// Write is called by one goroutine at a time.
func (c *Connection) Write(p []byte) (int, error) {
	c.Life.Writing.Store(true)
	n, err := c.Conn.Write(p)
	c.Life.Writing.Store(false)
	if n > 0 {
		c.Life.Written.Add(uint64(n))
	}
	return n, err
}

// Look has Life know what the kernel knows of the bytes, which may be nothing.
func (c *Connection) Look() {
	if s, ok := bytesOf(c.raw); ok {
		c.Life.Look(s)
	}
}

// Close is called by grpc-go, before it ends what was on the connection.
func (c *Connection) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// Closed reports whether grpc-go has closed the connection.
func (c *Connection) Closed() bool { return c.closed.Load() }

// Cut closes the connection at once, and with it ends every call on it.
// SubConn.Shutdown would wait for calls that hang, and closing a TLS connection
// waits for its last record to be sent.
func (c *Connection) Cut() { _ = c.raw.Close() }
