package channel_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/endpoint"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A hook may do anything, also close the client that it hears of.
func TestClientMayBeClosedInAHook(t *testing.T) {
	for name, observer := range map[string]func(closing func()) observe.Observer{
		"AttemptStart": func(closing func()) observe.Observer {
			return observe.Observer{AttemptStart: func(context.Context, string, int) { closing() }}
		},
		"AttemptDone": func(closing func()) observe.Observer {
			return observe.Observer{AttemptDone: func(context.Context, string, observe.Attempt) { closing() }}
		},
		"CallDone": func(closing func()) observe.Observer {
			return observe.Observer{CallDone: func(context.Context, observe.Call) { closing() }}
		},
		"Endpoint": func(closing func()) observe.Observer {
			return observe.Observer{Endpoint: func(observe.EndpointChange) { closing() }}
		},
		"Endpoint, when one is ready": func(closing func()) observe.Observer {
			return observe.Observer{Endpoint: func(e observe.EndpointChange) {
				if e.To == "ready" {
					closing()
				}
			}}
		},
		"Endpoint, when one is lost": func(closing func()) observe.Observer {
			return observe.Observer{Endpoint: func(e observe.EndpointChange) {
				if e.From == "ready" {
					closing()
				}
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var client atomic.Pointer[surefoot.Client]
				var once sync.Once
				closed := make(chan error, 1)
				o := observer(func() {
					once.Do(func() { closed <- client.Load().Close() })
				})
				w := newWorld(t, 2, nil, surefoot.WithObserver(&o))
				defer func() {
					for _, s := range w.servers {
						s.grpc.Stop()
					}
				}()
				client.Store(w.client)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for {
					if _, err := w.stub.Get(ctx, getRequest); err != nil {
						if c := status.Code(err); c != codes.Canceled && c != codes.Unavailable {
							t.Errorf("the call ended with %v", err)
						}
						break
					}
					time.Sleep(100 * time.Millisecond) // virtual
					w.servers[0].kill()
				}
				select {
				case err := <-closed:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(time.Minute):
					t.Fatal("Close does not return")
				}
			})
		})
	}
}

// A resolver's mistake is told while nothing is locked that the client needs.
func TestClientMayBeClosedInAHookThatHearsOfTooManyGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client atomic.Pointer[surefoot.Client]
		closed := make(chan error, 1)
		w := newWorld(t, 1, nil, surefoot.WithObserver(&observe.Observer{Problem: func(error) {
			err := client.Load().Close()
			select {
			case closed <- err:
			default: // it heard before, and may hear twice
			}
		}}))
		defer w.servers[0].grpc.Stop()
		client.Store(w.client)
		w.warm()
		st := w.state(w.servers[0])
		for i := range 65 {
			st.Endpoints = append(st.Endpoints, endpoint.WithGroup(resolver.Endpoint{
				Addresses: []resolver.Address{{Addr: fmt.Sprint("unreachable ", i)}},
			}, fmt.Sprint("group ", i)))
		}
		go w.names.UpdateState(st)
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("Close does not return, or was not called")
		}
	})
}
