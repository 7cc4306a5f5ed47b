package channel

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// buffers is a pool that knows how many of its buffers are out.
type buffers struct{ out, most int }

func (b *buffers) Get(size int) *[]byte {
	b.out++
	b.most = max(b.most, b.out)
	buf := make([]byte, size)
	return &buf
}
func (b *buffers) Put(*[]byte) { b.out-- }

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
			wire := &connection{Conn: client, raw: client}
			reader, ok := wire.ready().(readyReader)
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
			for !waitsToRead(t, client) { // the reader is in the kernel's hands
				time.Sleep(time.Millisecond)
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
			if got := wire.life.Read.Load(); got != 6 {
				t.Errorf("%d bytes are counted, want 6", got)
			}
			_ = server.Close()
			if r := <-results; !errors.Is(r.err, io.EOF) || r.buf != nil {
				t.Errorf("at the end: %v", r.err)
			}
			if pool.out != 0 || pool.most != 1 {
				t.Errorf("%d buffers are out, and were %d at once", pool.out, pool.most)
			}
		})
	}
}

// waitsToRead reports whether a read of conn waits: another that must not wait
// finds the lock of the first taken.
func waitsToRead(t *testing.T, conn net.Conn) bool {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := conn.(syscall.Conn).SyscallConn()
		if err == nil {
			_ = raw.Read(func(uintptr) bool { return true })
		}
	}()
	select {
	case <-done:
		return false
	case <-time.After(20 * time.Millisecond):
		return true
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
	if pool.out != 0 {
		t.Errorf("%d buffers are out", pool.out)
	}
}

// What is no bare socket is read by its own Read: a TLS connection's socket has
// what is still encrypted.
func TestOnlyBareSocketsAreReadDirectly(t *testing.T) {
	client, _ := net.Pipe()
	defer func() { _ = client.Close() }()
	c := &connection{Conn: client, raw: client}
	if c.ready() != net.Conn(c) {
		t.Error("a pipe is read as a socket")
	}
	bare, _ := sockets(t, "tcp")
	wrapped := &connection{Conn: struct{ net.Conn }{bare}, raw: bare}
	if wrapped.ready() != net.Conn(wrapped) {
		t.Error("what wraps a socket is read as a socket")
	}
}
