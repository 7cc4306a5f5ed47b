package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// buffers is a pool that knows how many of its buffers were taken and came back.
type buffers struct{ taken, returned atomic.Int64 }

func (b *buffers) Get(size int) *[]byte {
	b.taken.Add(1)
	buf := make([]byte, size)
	return &buf
}
func (b *buffers) Put(*[]byte) { b.returned.Add(1) }

// out returns how many are out.
func (b *buffers) out() int64 { return b.taken.Load() - b.returned.Load() }

// rest waits until something was tried and nothing is out, and reports whether it
// came to that.
func (b *buffers) rest() bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if b.taken.Load() > 0 && b.out() == 0 {
			return true
		}
	}
	return false
}

// sockets returns two ends of a connection.
func sockets(t *testing.T, network string) (client, server net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	var listen net.ListenConfig
	lis, err := listen.Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	var d net.Dialer
	client, err = d.DialContext(t.Context(), network, lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

// A connection at rest holds no buffer, and says what a plain one says of what it
// read and why it could not.
func TestAConnectionAtRestHoldsNoBuffer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			client, server := sockets(t, network)
			wire := New(client, client)
			reader, ok := wire.Transport().(readyReader)
			if !ok {
				t.Fatal("a bare socket is no ready reader")
			}
			type result struct {
				buf *[]byte
				n   int
				err error
			}
			pool, results := &buffers{}, make(chan result)
			read := func(size int) {
				buf, n, err := reader.ReadOnReady(size, pool)
				results <- result{buf, n, err}
			}
			go read(4)
			if !pool.rest() {
				t.Fatal("it waits for something to read, and holds a buffer")
			}
			if _, err := server.Write([]byte("sixsix")); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"sixs", "ix"} {
				r := <-results
				if r.err != nil || r.buf == nil || string((*r.buf)[:r.n]) != want {
					t.Fatalf("read %d bytes, %v, want %q", r.n, r.err, want)
				}
				pool.Put(r.buf)
				go read(4)
			}
			if got := wire.Life.Read.Load(); got != 6 {
				t.Errorf("%d bytes are counted, want 6", got)
			}
			_ = server.Close()
			if r := <-results; !errors.Is(r.err, io.EOF) || r.buf != nil {
				t.Errorf("at the end: %v", r.err)
			}
			if n := pool.out(); n != 0 {
				t.Errorf("%d buffers are out", n)
			}
		})
	}
}

// What ends a read is told as the connection itself would tell it.
func TestAReadThatFailsIsExplained(t *testing.T) {
	client, server := sockets(t, "tcp")
	reader := socketReaderOf(client)
	if err := server.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = server.Close() // resets the connection
	pool := &buffers{}
	_, _, err := reader.ReadOnReady(8, pool)
	var op *net.OpError
	if !errors.As(err, &op) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	_ = client.Close()
	if _, _, err := reader.ReadOnReady(8, pool); !errors.Is(err, net.ErrClosed) {
		t.Errorf("once closed: %v", err)
	}
	client, _ = sockets(t, "tcp")
	_ = client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, _, err := socketReaderOf(client).ReadOnReady(8, pool); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	if n := pool.out(); n != 0 {
		t.Errorf("%d buffers are out", n)
	}
}

// What is no bare socket is read by its own Read: a TLS connection's socket has
// what is still encrypted.
func TestOnlyBareSocketsAreReadDirectly(t *testing.T) {
	client, _ := net.Pipe()
	defer func() { _ = client.Close() }()
	c := New(client, client)
	if c.Transport() != net.Conn(c) {
		t.Error("a pipe is read as a socket")
	}
	bare, _ := sockets(t, "tcp")
	wrapped := New(struct{ net.Conn }{bare}, bare)
	if wrapped.Transport() != net.Conn(wrapped) {
		t.Error("what wraps a socket is read as a socket")
	}
}
