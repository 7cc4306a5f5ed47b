package socket

import (
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/surefoot-rpc/surefoot/internal/engine/liveness"
)

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	dialled, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dialled.Close()
		_ = accepted.Close()
	})
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func userTimeout(t *testing.T, conn *net.TCPConn) (ms int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		ms, serr = unix.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}); err != nil || serr != nil {
		t.Fatal(err, serr)
	}
	return ms
}

func TestUserTimeoutIsSetInWholeMilliseconds(t *testing.T) {
	a, _ := pair(t)
	for _, c := range []struct {
		set  time.Duration
		want int
	}{
		{700 * time.Millisecond, 700},
		{0, 700}, // left alone
		{1500 * time.Microsecond, 1},
		{time.Microsecond, 1}, // and not the system's default
	} {
		if err := SetUserTimeout(a, c.set); err != nil {
			t.Error(err)
		}
		if got := userTimeout(t, a); got != c.want {
			t.Errorf("%v: %d ms, want %d", c.set, got, c.want)
		}
	}
}

func TestUserTimeoutOfAClosedConnectionIsAnError(t *testing.T) {
	a, _ := pair(t)
	_ = a.Close()
	if err := SetUserTimeout(a, time.Second); err == nil {
		t.Error("no error")
	}
}

func TestNothingIsKnownOfWhatIsNoBareConnection(t *testing.T) {
	p, q := net.Pipe()
	defer func() { _, _ = p.Close(), q.Close() }()
	if err := SetUserTimeout(p, time.Second); err != nil {
		t.Error(err)
	}
	closed, _ := pair(t)
	_ = closed.Close()
	for name, conn := range map[string]net.Conn{"a pipe": p, "a closed connection": closed} {
		if s, ok := bytesOf(conn); ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// eventually looks at conn until ok is true.
func eventually(t *testing.T, conn net.Conn, ok func(liveness.Socket) bool) liveness.Socket {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s, known := bytesOf(conn)
		if known && ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("known %v: %+v", known, s)
		}
	}
}

// Each byte that was written is acknowledged, on its way or waiting, and what the
// peer has sent waits to be read.
func TestBytesAreAccountedFor(t *testing.T) {
	a, b := pair(t)
	if _, err := a.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	before := eventually(t, a, func(s liveness.Socket) bool { return s.Unacked+s.Unsent == 0 && s.Acked >= 1000 })
	if _, err := b.Write(make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	eventually(t, a, func(s liveness.Socket) bool { return s.Unread == 500 })

	// The peer's process does not read: its kernel acknowledges until it has no room.
	if _, err := a.Write(make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	eventually(t, a, func(s liveness.Socket) bool { return s.Acked == before.Acked+300 && s.Unacked+s.Unsent == 0 })
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			if _, err := a.Write(make([]byte, 1<<16)); err != nil {
				return // closed
			}
		}
	})
	eventually(t, a, func(s liveness.Socket) bool { return s.Unsent > 0 })
	_ = a.Close()
	writing.Wait()
}
