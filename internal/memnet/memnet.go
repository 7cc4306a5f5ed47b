// Package memnet has network connections in memory, for tests that run in a
// bubble of testing/synctest.
//
// It stands in for grpc-go's bufconn, whose connections set timers of no
// duration when they are made. Under the race detector such timers of one
// bubble, set by two goroutines at once, crash the runtime of Go 1.26: they run
// at once on the goroutine that sets them (time.go, modify), and all in the one
// race context of the bubble.
package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A Listener accepts what is dialed at it. Its methods may be called from any
// goroutine.
type Listener struct {
	size     int
	incoming chan net.Conn
	closed   chan struct{}
	close    func()
}

// Listen returns a listener whose connections hold up to size bytes, above 0,
// on their way in each direction.
func Listen(size int) *Listener {
	closed := make(chan struct{})
	return &Listener{
		size: size, incoming: make(chan net.Conn),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
}

// Accept waits for a connection. It returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and DialContext. Connections stay.
func (l *Listener) Close() error {
	l.close()
	return nil
}

// Addr returns an address that means nothing.
func (l *Listener) Addr() net.Addr { return addr{} }

// DialContext returns the client's side of a connection once it is accepted.
func (l *Listener) DialContext(ctx context.Context) (net.Conn, error) {
	there, back := newPipe(l.size), newPipe(l.size)
	select {
	case l.incoming <- &conn{in: there, out: back}:
		return &conn{in: back, out: there}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A conn is one side of a connection.
type conn struct{ in, out *pipe }

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close lets the other side read what is on its way, and then io.EOF.
func (c *conn) Close() error {
	c.in.end(&c.in.deaf)
	c.out.end(&c.out.mute)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.deadline(&c.in.reader, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.deadline(&c.out.writer, t) }
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (*conn) LocalAddr() net.Addr  { return addr{} }
func (*conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// A pipe is one direction of a connection.
type pipe struct {
	size int

	mu             sync.Mutex
	changed        sync.Cond
	bytes          []byte // that are on their way
	deaf, mute     bool   // the reader, and the writer, have closed it
	reader, writer limit
}

// A limit is the deadline of one side of a pipe.
type limit struct {
	timer  *time.Timer
	passed bool
}

func newPipe(size int) *pipe {
	p := &pipe{size: size}
	p.changed.L = &p.mu
	return p
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.deaf:
			return 0, io.ErrClosedPipe
		case p.reader.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p.bytes) > 0:
			n := copy(b, p.bytes)
			p.bytes = append(p.bytes[:0], p.bytes[n:]...)
			p.changed.Broadcast()
			return n, nil
		case p.mute:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (p *pipe) write(b []byte) (written int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.mute || p.deaf:
			return written, io.ErrClosedPipe
		case p.writer.passed:
			return written, os.ErrDeadlineExceeded
		case len(b) == 0:
			return written, nil
		}
		if room := min(p.size-len(p.bytes), len(b)); room > 0 {
			p.bytes = append(p.bytes, b[:room]...)
			b = b[room:]
			written += room
			p.changed.Broadcast()
			continue
		}
		p.changed.Wait()
	}
}

// end sets one of the pipe's flags.
func (p *pipe) end(flag *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*flag = true
	p.changed.Broadcast()
}

// deadline sets one of the pipe's limits. The zero time is none.
func (p *pipe) deadline(l *limit, t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	*l = limit{passed: !t.IsZero() && !time.Now().Before(t)}
	if l.passed {
		p.changed.Broadcast()
	}
	if t.IsZero() || l.passed {
		return nil
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(t), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if l.timer == timer { // no other has been set
			l.passed = true
			p.changed.Broadcast()
		}
	})
	l.timer = timer
	return nil
}
