package channel_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// The contract's TCP user timeout is what the socket has, also where grpc-go
// would not set one or would set another.
func TestUserTimeoutOfTheContractIsOnTheSocket(t *testing.T) {
	for _, c := range []struct {
		name string
		conn *surefootv1.Connection
		want int
	}{
		{"house default", nil, 2000},
		{"keepalive timeout", &surefootv1.Connection{KeepaliveTimeoutMs: new(int64(3000))}, 3000},
		{"own value", &surefootv1.Connection{TcpUserTimeoutMs: new(int64(700))}, 700},
		{"keepalive off", &surefootv1.Connection{KeepaliveTimeMs: new(int64(0)), TcpUserTimeoutMs: new(int64(900))}, 900},
	} {
		t.Run(c.name, func(t *testing.T) {
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &server{name: "a"}
			g := grpc.NewServer()
			inventoryv1.RegisterInventoryServer(g, s)
			go func() { _ = g.Serve(lis) }()
			defer g.Stop()

			conns := make(chan *net.TCPConn, 1)
			client, err := surefoot.NewClient("passthrough:///"+lis.Addr().String(),
				surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
				contractOf(nil, &surefootv1.Service{Connection: c.conn}),
				surefoot.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
					if err == nil {
						conns <- conn.(*net.TCPConn)
					}
					return conn, err
				})))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := inventoryv1.NewInventoryClient(client).Get(ctx, getRequest); err != nil {
				t.Fatal(err)
			}
			raw, err := (<-conns).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var got int
			var serr error
			if err := raw.Control(func(fd uintptr) {
				got, serr = unix.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			}); err != nil || serr != nil {
				t.Fatal(err, serr)
			}
			if got != c.want {
				t.Errorf("TCP_USER_TIMEOUT is %d ms, want %d", got, c.want)
			}
		})
	}
}
