package role

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// listener remembers the connections that it accepts, so that one can be cut.
// They are passed on bare, because grpc-go looks for *net.TCPConn. Its methods
// may be called from any goroutine.
type listener struct {
	net.Listener

	mu    sync.Mutex // guards conns
	conns map[string]*net.TCPConn
}

func newListener(lis net.Listener) *listener {
	return &listener{Listener: lis, conns: map[string]*net.TCPConn{}}
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for address, old := range l.conns {
		if closed(old) {
			delete(l.conns, address)
		}
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		l.conns[conn.RemoteAddr().String()] = tcp
	}
	return conn, nil
}

// closed says whether the connection was closed at this end.
func closed(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	return err == nil && errors.Is(raw.Control(func(uintptr) {}), net.ErrClosed)
}

// cut resets the connection on which the call came: whatever was still to be
// sent on it is lost.
func (l *listener) cut(ctx context.Context) {
	from, known := peer.FromContext(ctx)
	if !known {
		return
	}
	l.mu.Lock()
	conn := l.conns[from.Addr.String()]
	l.mu.Unlock()
	if conn != nil {
		_ = conn.SetLinger(0) // the connection may have ended just now
		_ = conn.Close()      // the same
	}
}
