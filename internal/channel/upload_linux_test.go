package channel_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A narrow is a link of TCP in front of a server: what clients send is read from
// the kernel as slowly as it says, what the server says is passed on at once.
type narrow struct {
	lis    *net.TCPListener
	to     string
	slow   atomic.Bool // 16 KiB every 10 ms
	frozen atomic.Bool // nothing
	ended  chan struct{}
	wg     sync.WaitGroup
	passed atomic.Int64 // bytes
}

func newNarrow(t *testing.T, to string) *narrow {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &narrow{lis: lis.(*net.TCPListener), to: to, ended: make(chan struct{})}
	l.wg.Go(func() {
		for {
			c, err := l.lis.AcceptTCP()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.carry(c) })
		}
	})
	return l
}

func (l *narrow) carry(client *net.TCPConn) {
	defer client.Close()
	_ = client.SetReadBuffer(32 << 10)
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close()
	l.wg.Go(func() {
		<-l.ended
		_ = client.Close()
		_ = server.Close()
	})
	l.wg.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 16<<10)
	for {
		if l.slow.Load() {
			<-tick.C
		}
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if l.frozen.Load() {
			<-l.ended
			return
		}
		l.passed.Add(int64(n))
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (l *narrow) close() {
	_ = l.lis.Close()
	close(l.ended)
	l.wg.Wait()
}

// A road is a client with two servers, each behind a link.
type road struct {
	links [2]*narrow
	stub  inventoryv1.InventoryClient

	mu      sync.Mutex
	changes []string
}

// words returns what became of connections that were silent.
func (r *road) words() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.changes, " ")
}

// secured returns credentials of TLS for the two ends.
func secured(t *testing.T) (client, server credentials.TransportCredentials) {
	t.Helper()
	s := httptest.NewTLSServer(nil) // which makes itself a certificate
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS13}),
		credentials.NewServerTLSFromCert(&s.TLS.Certificates[0])
}

// newRoad starts the servers. The kernel gives connections up after userTimeout.
func newRoad(t *testing.T, secure bool, userTimeout time.Duration) *road {
	t.Helper()
	r := &road{}
	near, far := insecure.NewCredentials(), insecure.NewCredentials()
	if secure {
		near, far = secured(t)
	}
	var stops []func()
	addrs := make([]string, 0, len(r.links))
	for i := range r.links {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// Windows that an upload fits into, so that it fills the kernel's buffers.
		g := grpc.NewServer(grpc.Creds(far), grpc.InitialWindowSize(16<<20), grpc.InitialConnWindowSize(16<<20))
		inventoryv1.RegisterInventoryServer(g, &server{name: string(rune('a' + i))})
		go func() { _ = g.Serve(lis) }()
		r.links[i] = newNarrow(t, lis.Addr().String())
		addrs = append(addrs, r.links[i].lis.Addr().String())
		stops = append(stops, r.links[i].close, g.Stop)
	}
	client, err := surefoot.NewClient("static:///"+strings.Join(addrs, ","),
		surefoot.WithTransportCredentials(near), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithObserver(&observe.Observer{Endpoint: func(e observe.EndpointChange) {
			if e.Why == "" {
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changes = append(r.changes, e.To)
		}}),
		contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{DeadlineMs: new(int64(60_000)), AttemptTimeoutMs: new(int64(0))}}}, &surefootv1.Service{
			Connection: &surefootv1.Connection{TcpUserTimeoutMs: new(userTimeout.Milliseconds()), Liveness: &surefootv1.Liveness{
				SilenceMs: new(int64(100)), ProbeTimeoutMs: new(int64(1000)),
			}},
			Balance: &surefootv1.Balance{Ejection: &surefootv1.Ejection{Off: new(true)}},
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		for _, stop := range stops {
			stop()
		}
	})
	r.stub = inventoryv1.NewInventoryClient(client)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for seen := map[string]bool{}; len(seen) < len(r.links); { // until both are connected
		reply, err := r.stub.Get(ctx, &inventoryv1.GetRequest{Sku: "warm"})
		if err != nil {
			t.Fatal(err)
		}
		seen[reply.GetServer()] = true
	}
	return r
}

var upload = strings.Repeat("x", 3<<20)

// A server reads an upload so slowly that every buffer is full and nothing
// comes back for seconds. Its connection is suspected, and not closed: what the
// kernel knows is known of the connection below TLS, too.
func TestUploadToASlowReaderKeepsItsConnection(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { uploadToASlowReader(t, newRoad(t, secure, time.Minute)) })
	}
}

func uploadToASlowReader(t *testing.T, r *road) {
	t.Helper()
	for _, l := range r.links {
		l.slow.Store(true)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if _, err := r.stub.Get(ctx, &inventoryv1.GetRequest{Sku: upload}); err != nil {
		t.Error(err)
	}
	if w := r.words(); !strings.Contains(w, "suspect") || strings.Contains(w, "condemned") {
		t.Errorf("%q: want suspects, and nobody condemned", w)
	}
	if a, b := r.links[0].passed.Load(), r.links[1].passed.Load(); a+b > int64(len(upload))*3/2 {
		t.Errorf("the upload was sent more than once: %d and %d bytes", a, b)
	}
}

// A server that hangs is condemned: its kernel acknowledges the request and the
// probe, and nothing is read.
func TestHungProcessIsCondemnedThoughItsKernelAcknowledges(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { callOfAHungProcess(t, newRoad(t, secure, time.Minute)) })
	}
}

func callOfAHungProcess(t *testing.T, r *road) {
	t.Helper()
	r.links[0].frozen.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !strings.Contains(r.words(), "condemned") {
		reply, err := r.stub.Get(ctx, &inventoryv1.GetRequest{Sku: "small"})
		if err != nil {
			t.Fatal(err)
		}
		if reply.GetServer() != "b" {
			t.Fatalf("%s answered", reply.GetServer())
		}
	}
}

// A server hangs in the middle of an upload: the probe is stuck behind it, which
// proves nothing, and the kernel gives up the connection.
func TestUploadToAHungProcessEndsByTheUserTimeout(t *testing.T) {
	r := newRoad(t, false, 2*time.Second)
	r.links[0].frozen.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for range 2 { // one goes to each
		reply, err := r.stub.Get(ctx, &inventoryv1.GetRequest{Sku: upload})
		if err != nil {
			t.Fatal(err)
		}
		if reply.GetServer() != "b" {
			t.Fatalf("%s answered", reply.GetServer())
		}
	}
	if w := r.words(); !strings.Contains(w, "suspect") || strings.Contains(w, "condemned") {
		t.Errorf("%q: want a suspect, and nobody condemned", w)
	}
}
