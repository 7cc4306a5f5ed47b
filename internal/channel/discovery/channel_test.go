package discovery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/surefoot-rpc/surefoot/internal/dns"
)

// healthServer returns the address of a real server on loopback.
func healthServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, health.NewServer())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return l.Addr().String()
}

func check(ctx context.Context, target string, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cc, err := grpc.NewClient(target,
		grpc.WithResolvers(Builders(target, cfg)...),
		grpc.WithLocalDNSResolution(),
		grpc.WithDisableServiceConfig(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer cc.Close()
	_, err = healthpb.NewHealthClient(cc).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

// TestRealChannel: grpc-go, our resolver, a DNS server and a gRPC server, all
// real, on loopback.
func TestRealChannel(t *testing.T) {
	t.Setenv("NO_PROXY", "*")
	_, port, err := net.SplitHostPort(healthServer(t))
	if err != nil {
		t.Fatal(err)
	}
	ns, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ns.Close()
	wg.Go(func() { answerLoopback(ns) })
	for _, name := range []string{"svc.test.:" + port, "_grpc._tcp." + port + ".test"} {
		if err := check(t.Context(), fmt.Sprintf("dns://%s/%s", ns.LocalAddr(), name), Config{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answerLoopback answers each question for A with 127.0.0.1, each for the SRV
// records of "_grpc._tcp.PORT.test" with that port, and each other one with
// nothing, until conn is closed.
func answerLoopback(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Additionals = true, nil
		switch q := m.Questions[0]; q.Type {
		case dnsmessage.TypeSRV:
			port, err := strconv.ParseUint(strings.Split(q.Name.String(), ".")[2], 10, 16)
			if err != nil {
				continue
			}
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 5},
				Body:   &dnsmessage.SRVResource{Priority: 1, Weight: 1, Port: uint16(port), Target: dnsmessage.MustNewName("pod.test.")},
			}}
		case dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 5},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		default: // nothing
		}
		msg, err := m.Pack()
		if err != nil {
			continue
		}
		_, _ = conn.WriteTo(msg, from)
	}
}

// underProxy is set in the process that TestProxy starts: net/http reads the
// proxy's variables once per process.
const underProxy = "SUREFOOT_TEST_UNDER_PROXY"

// proxiedIP is what svc.test resolves to under the proxy. It is an address for
// documentation (RFC 5737), because loopback addresses go around proxies.
const proxiedIP = "192.0.2.10"

// TestProxy: under HTTPS_PROXY our resolver is asked, and the proxy is told the
// address that it found instead of the name.
func TestProxy(t *testing.T) {
	if os.Getenv(underProxy) != "" {
		t.Skip("this is the process that the test starts")
	}
	proxy, connects := connectProxy(t, healthServer(t))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUnderProxy$", "-test.v")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasSuffix(strings.ToUpper(strings.SplitN(v, "=", 2)[0]), "_PROXY")
	})
	cmd.Env = append(cmd.Env, underProxy+"=1", "HTTPS_PROXY=http://"+proxy)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "asked for svc.test") {
		t.Errorf("our resolver was not asked:\n%s", out)
	}
	if got := connects(); len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != proxiedIP+":8443" }) {
		t.Errorf("the proxy was told %q, want %s:8443", got, proxiedIP)
	}
}

func TestUnderProxy(t *testing.T) {
	if os.Getenv(underProxy) == "" {
		t.Skip("TestProxy runs it in a process of its own")
	}
	err := check(t.Context(), "dns:///svc.test:8443", Config{
		Lookup: func(_ context.Context, host string) (dns.Answer, error) {
			t.Log("asked for " + host)
			return dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr(proxiedIP)}, TTL: time.Minute, Name: host + "."}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// connectProxy starts a proxy that takes every CONNECT to backend, and returns
// its address and what it was asked to connect to.
func connectProxy(t *testing.T, backend string) (string, func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var asked []string
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				r := bufio.NewReader(conn)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				mu.Lock()
				asked = append(asked, req.Method+" "+req.Host)
				mu.Unlock()
				up, err := new(net.Dialer).DialContext(ctx, "tcp", backend)
				if err != nil {
					return
				}
				defer up.Close()
				if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
					return
				}
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.Copy(up, r); up.Close() })
				both.Go(func() { _, _ = io.Copy(conn, up); conn.Close() })
				both.Wait()
			})
		}
	})
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		targets := make([]string, 0, len(asked))
		for _, a := range asked {
			targets = append(targets, strings.TrimPrefix(a, http.MethodConnect+" "))
		}
		return targets
	}
}
