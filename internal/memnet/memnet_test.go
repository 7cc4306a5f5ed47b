package memnet_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"golang.org/x/net/nettest"

	"github.com/surefoot-rpc/surefoot/internal/memnet"
)

// pair returns the two sides of a connection.
func pair(t *testing.T, size int) (client, server net.Conn, lis *memnet.Listener) {
	t.Helper()
	lis = memnet.Listen(size)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := lis.Accept()
		accepted <- c
	}()
	client, err := lis.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client, <-accepted, lis
}

// A connection does what the interface net.Conn promises.
func TestConnection(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server, _ := pair(t, 1<<10)
		return client, server, func() { _, _ = client.Close(), server.Close() }, nil
	})
}

// What was written before the writer closed is read, and then the end.
func TestWhatIsOnItsWayArrives(t *testing.T) {
	client, server, _ := pair(t, 8)
	if _, err := client.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	buf := make([]byte, 8)
	if n, err := server.Read(buf); string(buf[:n]) != "last" || err != nil {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if n, err := server.Read(buf); n != 0 || err == nil {
		t.Errorf("read %d bytes after the end, %v", n, err)
	}
	if _, err := server.Write([]byte("x")); err == nil {
		t.Error("nobody reads, and the write succeeded")
	}
	_ = server.Close()
}

// Who dials or accepts at a closed listener is told, and a dial that nobody
// accepts ends with its context. All waits are such that a bubble's time goes on.
func TestListenerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memnet.Listen(1)
		ctx, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		if _, err := lis.DialContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a dial that nobody accepts: %v", err)
		}
		results := make(chan error, 2)
		go func() { _, err := lis.Accept(); results <- err }()
		synctest.Wait()
		_, _ = lis.Close(), lis.Close()
		_, err := lis.DialContext(t.Context())
		results <- err
		for range 2 {
			if err := <-results; !errors.Is(err, net.ErrClosed) {
				t.Errorf("at a closed listener: %v", err)
			}
		}
	})
}
