package channel_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

func TestEmptyUpdateKeepsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil)
		defer w.close()
		w.warm()
		w.names.UpdateState(resolver.State{})
		w.names.CC().ReportError(errors.New("no such host"))
		synctest.Wait()
		for range 9 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range w.servers {
			if s.gets.Load() != 3 {
				t.Errorf("%s got %d calls, want 3", s.name, s.gets.Load())
			}
		}
	})
}

// An update that keeps an endpoint keeps its connection.
func TestUpdateChangesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, nil)
		defer w.close()
		w.warm()
		w.mu.Lock()
		w.changes = nil
		w.mu.Unlock()
		w.names.UpdateState(w.state(w.servers[1], w.servers[2], w.servers[3]))
		synctest.Wait()
		for range 30 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.servers[0].gets.Load(); n != 0 {
			t.Errorf("the removed server got %d calls", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.changes) != 1 || w.changes[0].Endpoint != "a" || w.changes[0].To != "gone" {
			t.Errorf("changes %+v, want a gone and nothing else", w.changes)
		}
	})
}

// Calls go on without a pause while another endpoint is ready, also the one
// that was in flight on the connection that is lost.
func TestLostConnectionDelaysNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5, nil)
		defer w.close()
		w.warm()
		for _, s := range w.servers[:4] {
			s.kill()
			for range 20 {
				start := time.Now()
				if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > 0 { // virtual time: anything that waits for a timer shows
					t.Errorf("a call took %v", took)
				}
			}
		}
	})
}

func TestRestartedServerIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.close()
		w.warm()
		w.servers[0].kill()
		time.Sleep(10 * time.Minute) // ten minutes of failing reconnects
		w.servers[0].start()
		time.Sleep(3 * time.Second) // the longest wait between two of them
		for range 10 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.servers[0].gets.Load(); n != 5 {
			t.Errorf("the restarted server got %d of 10 calls, want 5", n)
		}
	})
}

func TestUnreachableFleetFailsFastAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil, waiting(0))
		defer w.close()
		for _, s := range w.servers {
			s.kill()
		}
		start := time.Now()
		_, err := w.stub.Get(t.Context(), getRequest)
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "none of 2 endpoints can be connected; the last error: ") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestNoEndpointsSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, nil)
		defer w.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.stub.Get(ctx, getRequest)
		if err == nil || !strings.Contains(err.Error(), "no endpoints of fleet:///inventory") {
			t.Errorf("got %v", err)
		}
	})
}

// Endpoints that share an address and differ in its attributes are different
// endpoints.
func TestEndpointsAreToldApartByAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.close()
		var st resolver.State
		for _, id := range []string{"x", "y", "x"} {
			a := resolver.Address{Addr: "a"}
			a.Attributes = a.Attributes.WithValue("id", id)
			st.Endpoints = append(st.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{a}})
		}
		w.names.InitialState(st)
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Fatal(err)
		}
		st.Endpoints = st.Endpoints[1:2] // y stays
		w.names.UpdateState(st)
		synctest.Wait()
		added, gone := 0, 0
		w.mu.Lock()
		for _, c := range w.changes {
			switch {
			case c.From == "":
				added++
			case c.To == "gone":
				gone++
			}
		}
		w.mu.Unlock()
		if added != 2 || gone != 1 {
			t.Errorf("%d endpoints added and %d gone, want 2 and 1", added, gone)
		}
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Error(err)
		}
	})
}

// A policy or contract on a channel of another maker has no effect on ours,
// and a client that is idle for a night keeps its connections.
func TestQuietNightKeepsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil, contractOf(nil, &surefootv1.Service{Connection: &surefootv1.Connection{KeepaliveTimeMs: new(int64(300000))}}))
		defer w.close()
		w.warm()
		w.mu.Lock()
		w.changes = nil
		w.mu.Unlock()
		time.Sleep(12 * time.Hour)
		if s := w.client.GetState(); s != connectivity.Ready {
			t.Errorf("state %v after the night", s)
		}
		if _, err := w.stub.Get(t.Context(), &inventoryv1.GetRequest{}); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.changes) != 0 {
			t.Errorf("changes overnight: %+v", w.changes)
		}
	})
}
