package fleet

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/observe"

	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
)

// A backend answers what is sent on the connection of a fakeSubConn.
type backend struct {
	grpc.ClientConnInterface
	wire   *socket.Connection
	hung   atomic.Bool
	probes atomic.Int64
}

// NewStream is what a probe calls.
func (p *backend) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	p.probes.Add(1)
	p.wire.Life.Written.Add(100)
	return &probeStream{ctx: ctx, peer: p}, nil
}

type probeStream struct {
	grpc.ClientStream
	ctx  context.Context
	peer *backend
}

func (s *probeStream) SendMsg(any) error { return nil }
func (s *probeStream) CloseSend() error  { return nil }
func (s *probeStream) RecvMsg(any) error {
	if s.peer.hung.Load() {
		<-s.ctx.Done()
		return s.ctx.Err()
	}
	time.Sleep(5 * time.Millisecond) // virtual
	s.peer.wire.Life.Read.Add(100)
	return nil
}

// call is one attempt on the peer, which answers it after d, if it answers.
func (p *backend) call(e *Endpoint, d time.Duration) {
	if p.wire.Life.Sent() {
		e.CheckSoon()
	}
	p.wire.Life.Written.Add(100)
	time.Sleep(d) // virtual
	if !p.hung.Load() {
		p.wire.Life.Read.Add(100)
	}
	p.wire.Life.Over(p.hung.Load())
}

// The calls of a service take a second, one at a time on each connection. Each
// connection is suspected once, and then left in peace; one that hangs is
// nevertheless suspected within a second of the first call on it.
func TestSlowServiceIsLeftInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		cc := &fakeConn{}
		f := testFleet(t)
		var mu sync.Mutex
		var suspects []time.Time
		f.cfg.Changed = func(e observe.EndpointChange) {
			if e.To == "suspect" {
				mu.Lock()
				defer mu.Unlock()
				suspects = append(suspects, time.Now())
			}
		}
		b, _ := f.balancer(cc).(*fleetBalancer)
		_ = b.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: endpointsOf(n)}})
		cc.settle()
		time.Sleep(time.Second)
		peers := make([]*backend, n)
		for i, e := range b.endpoints {
			raw, other := net.Pipe()
			defer raw.Close()
			defer other.Close()
			peers[i] = &backend{wire: socket.New(raw, raw)}
			sub, _ := e.conn.(*fakeSubConn)
			sub.peer = peers[i]
			e.wire.Store(peers[i].wire)
		}
		b.mu.Lock()
		b.look()
		b.mu.Unlock()
		time.Sleep(time.Second)
		published := func() int {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(cc.states)
		}
		pickers := published()
		for range 30 {
			for i, e := range b.endpoints {
				go peers[i].call(e, time.Second)
			}
			time.Sleep(1100 * time.Millisecond)
		}
		// No more than half are suspected at once: two checks, two ways.
		got := published() - pickers
		mu.Lock()
		if got > 2*n || len(suspects) > n {
			t.Errorf("%d pickers and %d suspicions in 30 s, want at most %d and %d", got, len(suspects), 2*n, n)
		}
		for i, p := range peers {
			if n := p.probes.Load(); n == 0 || n > 2*30 {
				t.Errorf("%d probes of connection %d, want some and at most two for each call", n, i)
			}
		}

		suspects = nil
		mu.Unlock()
		peers[0].hung.Store(true)
		start := time.Now()
		go peers[0].call(b.endpoints[0], 3*time.Second)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(suspects) != 1 || suspects[0].Sub(start) > time.Second {
			t.Errorf("the one that hangs was suspected at %v, want once within a second of %v", suspects, start)
		}
		var last *Picker
		b.mu.Lock()
		if p, ok := cc.states[len(cc.states)-1].Picker.(attempt); ok {
			last = p.Picker
		}
		b.mu.Unlock()
		b.Close()
		if last == nil || len(last.entries) != n-1 {
			t.Errorf("the last picker: %+v", last)
		}
	})
}
