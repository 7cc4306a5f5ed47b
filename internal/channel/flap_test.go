package channel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/endpoint"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

func nobody(addrs ...string) (st resolver.State) {
	for _, a := range addrs {
		st.Endpoints = append(st.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	return st
}

// The last endpoint of the own zone is leaving.
func TestZoneThatIsLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil, surefoot.WithZone("east"))
		defer w.close()
		st := w.state(w.servers...)
		st.Endpoints[0] = endpoint.WithZone(st.Endpoints[0], "east")
		st.Endpoints[1] = endpoint.WithZone(st.Endpoints[1], "west")
		w.names.InitialState(st)
		w.steadily(10*time.Millisecond, time.Second)
		w.names.UpdateState(nobody("x"))
		if n := w.steadily(10*time.Millisecond, time.Second); n > 0 {
			t.Errorf("%d calls failed", n)
		}
	})
}

// The registry names addresses that are dead, for long: what works is used.
func TestWorkingEndpointsOutliveAListOfDeadOnes(t *testing.T) {
	for name, service := range map[string]*surefootv1.Service{
		"round robin": nil,
		"hash": {Balance: &surefootv1.Balance{Policy: &surefootv1.Balance_ConsistentHash{
			ConsistentHash: &surefootv1.ConsistentHash{},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3, nil, surefoot.WithHouseDefaults(service))
				defer w.close()
				ctx := call.WithHashKey(t.Context(), "anvil")
				get := func(n int) {
					t.Helper()
					for range n {
						began := time.Now()
						if _, err := w.stub.Get(ctx, getRequest); err != nil || time.Since(began) > 0 {
							t.Fatalf("after %v: %v", time.Since(began), err)
						}
						<-time.After(100 * time.Millisecond)
					}
				}
				w.client.Connect()
				<-time.After(time.Second)
				get(20)
				w.names.UpdateState(nobody("x", "y"))
				get(600)
				w.names.UpdateState(w.state(w.servers...))
				get(20)
			})
		})
	}
}

// The registry flaps, and then a server hangs: it is found all the same.
func TestWatchGoesOnAfterAFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5, nil)
		defer w.close()
		w.warm()
		w.names.UpdateState(nobody("x", "y"))
		<-time.After(3 * time.Second)
		w.names.UpdateState(w.state(w.servers...))
		<-time.After(3 * time.Second)
		w.servers[0].hang()
		w.steadily(5*time.Millisecond, 3*time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if text := fmt.Sprint(w.changes); !strings.Contains(text, "condemned") {
			t.Errorf("nobody was condemned: %s", text)
		}
	})
}

// Connect is called again and again while the fleet is brought up.
func TestConnectIsCalledManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, nil, surefoot.WithHouseDefaults(&surefootv1.Service{
			Connection: &surefootv1.Connection{MaxConnecting: new(int32(2))},
		}))
		defer w.close()
		for range 5 {
			w.client.Connect()
		}
		<-time.After(time.Second)
		for _, s := range w.servers[:10] {
			s.kill()
		}
		for range 5 {
			w.client.Connect()
		}
		<-time.After(time.Second)
		for _, s := range w.servers[:10] {
			s.start()
		}
		<-time.After(10 * time.Second)
		w.forget()
		for range 200 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range w.servers {
			if s.gets.Load() != 10 {
				t.Errorf("%s got %d calls of 200, want 10", s.name, s.gets.Load())
			}
		}
	})
}

// An attempt that panics is in flight no more.
func TestPanicLeavesNothingInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil, surefoot.WithHouseDefaults(&surefootv1.Service{Balance: &surefootv1.Balance{
			Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{Choices: new(int32(3))}},
		}}), surefoot.WithAttemptInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				err := invoker(ctx, method, req, reply, cc, opts...)
				if ctx.Value(panics{}) != nil {
					panic("a bug")
				}
				return err
			}, nil))
		defer w.close()
		w.warm()
		for range 100 {
			func() {
				defer func() { _ = recover() }()
				_, _ = w.stub.Get(context.WithValue(t.Context(), panics{}, true), getRequest)
			}()
		}
		w.servers[1].kill()
		w.servers[2].kill()
		<-time.After(100 * time.Millisecond)
		w.servers[1].start()
		w.servers[2].start()
		<-time.After(5 * time.Second)
		w.forget()
		w.steadily(time.Millisecond, 3*time.Second)
		if s := w.share(w.servers[0]); s < 0.2 {
			t.Errorf("the server that was alone has %.2f of the calls, want a third", s)
		}
	})
}

type panics struct{}
