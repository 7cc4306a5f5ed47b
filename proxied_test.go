package surefoot_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/endpoint"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// behindProxy is set in the process that TestEndpointsBehindAProxy starts:
// net/http reads the variables of the proxy once per process.
const behindProxy = "SUREFOOT_TEST_BEHIND_PROXY"

func TestEndpointsBehindAProxy(t *testing.T) {
	if os.Getenv(behindProxy) != "" {
		t.Skip("this is the process that the test starts")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEachEndpointBehindAProxyIsItself$", "-test.v")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasSuffix(strings.ToUpper(name), "_PROXY")
	}), behindProxy+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestEachEndpointBehindAProxyIsItself") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A named server says its name.
type named struct {
	inventoryv1.UnimplementedInventoryServer

	name string
}

func (n named) Get(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	return &inventoryv1.GetResponse{Server: n.name}, nil
}

// proxiedFleet starts servers, one for each of the addresses, which only the
// proxy can reach, and the proxy, which is put in the environment. The addresses
// are for documentation (RFC 5737): loopback ones go around proxies.
func proxiedFleet(t *testing.T, addrs []string) {
	t.Helper()
	behind := make(map[string]string)
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	for _, addr := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		behind[addr] = l.Addr().String()
		s := grpc.NewServer()
		inventoryv1.RegisterInventoryServer(s, named{name: addr})
		running.Go(func() { _ = s.Serve(l) })
		t.Cleanup(s.Stop)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := net.Dial("tcp", behind[r.Host])
		if err != nil || r.Method != http.MethodConnect {
			http.Error(w, fmt.Sprintf("%s %s: %v", r.Method, r.Host, err), http.StatusBadGateway)
			return
		}
		down, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		running.Go(func() { _, _ = io.Copy(up, down); _ = up.Close() })
		_, _ = io.Copy(down, up)
		_ = down.Close()
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
}

// Behind a proxy every endpoint has the proxy's address. Each has keys of its
// own all the same, the weight that its resolver says, and its own name.
func TestEachEndpointBehindAProxyIsItself(t *testing.T) {
	if os.Getenv(behindProxy) == "" {
		t.Skip("TestEndpointsBehindAProxy runs it in a process of its own")
	}
	addrs := []string{"192.0.2.1:8443", "192.0.2.2:8443", "192.0.2.3:8443", "192.0.2.4:8443"}
	proxiedFleet(t, addrs)
	resolver.Register(heavy{addrs})
	for target, of := range map[string]*surefootv1.Balance{
		"static:///" + strings.Join(addrs, ","): {Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{}}},
		"heavy:///inventory":                    {Policy: &surefootv1.Balance_RoundRobin{RoundRobin: &surefootv1.RoundRobin{}}},
	} {
		var mu sync.Mutex
		ready := make(map[string]bool)
		client, err := surefoot.NewClient(target, surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
			surefoot.WithHouseDefaults(&surefootv1.Service{Balance: of}),
			surefoot.WithObserver(&observe.Observer{Endpoint: func(e observe.EndpointChange) {
				mu.Lock()
				defer mu.Unlock()
				if e.To == "ready" {
					ready[e.Endpoint] = true
				}
			}}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stub := inventoryv1.NewInventoryClient(client)
		told := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(ready)
		}
		for told() < len(addrs) && ctx.Err() == nil {
			client.Connect()
			client.WaitForStateChange(ctx, connectivity.Idle)
			if _, err := stub.Get(ctx, &inventoryv1.GetRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		for _, addr := range addrs {
			if !ready[addr] {
				t.Errorf("%s: ready are %v", target, ready)
			}
		}
		mu.Unlock()
		least, most := 40, 160 // of 400 keys
		if of.GetRoundRobin() != nil {
			least, most = 56, 58 // of 400 calls in sevenths
		}
		calls := make(map[string]int)
		spread := func() bool {
			clear(calls)
			for k := range 400 {
				r, err := stub.Get(call.WithHashKey(ctx, fmt.Sprint("key-", k)), &inventoryv1.GetRequest{})
				if err != nil {
					t.Fatal(err)
				}
				calls[r.GetServer()]++
			}
			return !slices.ContainsFunc(addrs[1:], func(addr string) bool { return calls[addr] < least || calls[addr] > most })
		}
		// The last of them may come into the picker while the calls are made.
		for round := 0; !spread(); round++ {
			if round == 20 {
				t.Errorf("%s: %v, want %d to %d each but the first", target, calls, least, most)
				break
			}
		}
		cancel()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

// heavy is the resolver of a registry that says of the first endpoint that it
// has four times the weight of the others.
type heavy struct{ addrs []string }

func (heavy) Scheme() string                        { return "heavy" }
func (heavy) ResolveNow(resolver.ResolveNowOptions) {}
func (heavy) Close()                                {}

func (h heavy) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	var s resolver.State
	for i, addr := range h.addrs {
		e := resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}}
		if i == 0 {
			e = endpoint.WithWeight(e, 4)
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return h, cc.UpdateState(s)
}
