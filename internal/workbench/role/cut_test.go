package role

import (
	"net"
	"testing"
)

// Connections that have ended are forgotten with the next one that comes.
func TestListenerForgetsTheDead(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	lis := newListener(tcp)
	for i := range 3 {
		client, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := lis.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, bare := server.(*net.TCPConn); !bare {
			t.Errorf("grpc-go is given a %T", server)
		}
		if i < 2 {
			if err := server.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			defer server.Close()
		}
		if len(lis.conns) != 1 {
			t.Errorf("after %d connections, of which one lives, it knows %d", i+1, len(lis.conns))
		}
	}
}
