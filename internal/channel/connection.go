package channel

import (
	"net"

	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
)

// A connection is the net.Conn that grpc-go reads and writes, with its bytes
// counted: silence is evidence only if one knows of it. It wraps what a
// handshake made, so that the dialer's own connection stays bare and the
// kernel's options can be set on it.
type connection struct {
	net.Conn

	raw  net.Conn // what was dialled
	life liveness.Connection
}

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.life.Read.Add(uint64(n))
	}
	return n, err
}

// Write is called by one goroutine at a time.
func (c *connection) Write(p []byte) (int, error) {
	c.life.Writing.Store(true)
	n, err := c.Conn.Write(p)
	c.life.Writing.Store(false)
	if n > 0 {
		c.life.Written.Add(uint64(n))
	}
	return n, err
}

// cut closes the connection at once, and with it ends every call on it.
// SubConn.Shutdown would wait for calls that hang, and closing a TLS connection
// waits for its last record to be sent.
func (c *connection) cut() { _ = c.raw.Close() }
