package socket

import (
	"net"

	"google.golang.org/grpc/mem"
)

// A readyReader is a connection that takes a buffer for what it reads once
// there is something to read, so that a connection at rest holds no memory.
// grpc-go looks for this method (its package readyreader is internal), and else
// keeps 32 KB for each connection.
type readyReader interface {
	// ReadOnReady waits for something to read, takes a buffer of a size from
	// the pool, and reads into it. The buffer that it returns goes back into the
	// pool.
	ReadOnReady(size int, pool mem.BufferPool) (buf *[]byte, n int, err error)
}

// A readyConnection is a connection over one that is a readyReader.
type readyConnection struct {
	*Connection

	reader readyReader
}

func (c *readyConnection) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	buf, n, err := c.reader.ReadOnReady(size, pool)
	if n > 0 {
		c.Life.Read.Add(uint64(n))
	}
	return buf, n, err
}

// Transport returns c as grpc-go is to have it.
func (c *Connection) Transport() net.Conn {
	reader, ok := c.Conn.(readyReader)
	if !ok {
		reader = socketReaderOf(c.Conn)
	}
	if reader == nil {
		return c
	}
	return &readyConnection{c, reader}
}
