package socket

import (
	"io"
	"net"
	"os"
	"syscall"

	"google.golang.org/grpc/mem"
)

// A socketReader reads from a bare socket. It is used by one goroutine at a
// time.
type socketReader struct {
	conn   net.Conn
	socket syscall.RawConn
	read   func(fd uintptr) (done bool) // try, made once

	// Of the read that runs.
	size int
	pool mem.BufferPool
	buf  *[]byte
	n    int
	err  error
}

// socketReaderOf returns nil for what is not a bare socket: what is read must
// be what the connection's Read would have read.
func socketReaderOf(conn net.Conn) readyReader {
	var (
		socket syscall.RawConn
		err    error
	)
	switch c := conn.(type) {
	case *net.TCPConn:
		socket, err = c.SyscallConn()
	case *net.UnixConn:
		socket, err = c.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	r := &socketReader{conn: conn, socket: socket}
	r.read = r.try
	return r
}

func (r *socketReader) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	r.size, r.pool = size, pool
	closed := r.socket.Read(r.read)
	buf, n, err := r.buf, r.n, r.err
	r.buf = nil
	if closed == nil && err == nil && n > 0 {
		return buf, n, nil
	}
	if buf != nil {
		pool.Put(buf)
	}
	return nil, 0, r.explain(closed, err)
}

// explain returns why nothing was read, as Read of the connection says it.
func (r *socketReader) explain(closed, err error) error {
	r.n, r.err = 0, nil
	switch {
	case closed != nil:
		return closed
	case err != nil:
		return &net.OpError{
			Op: "read", Net: r.conn.LocalAddr().Network(), Source: r.conn.LocalAddr(), Addr: r.conn.RemoteAddr(),
			Err: os.NewSyscallError("read", err),
		}
	default:
		return io.EOF
	}
}

// try reads what is there. It returns false to wait until there is something. There
// is one that finds nothing for nearly each that does: it must cost no more than that,
// and errors.Is would ask what the system said for methods that it has not.
func (r *socketReader) try(fd uintptr) bool {
	buf := r.pool.Get(r.size)
	for {
		n, err := syscall.Read(int(fd), *buf)
		switch err { //nolint:errorlint // it is an Errno, and wraps nothing
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.pool.Put(buf)
			return false
		}
		r.buf, r.n, r.err = buf, n, err
		return true
	}
}
