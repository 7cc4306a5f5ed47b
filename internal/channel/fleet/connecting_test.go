package fleet

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/channel/discovery"
)

// A patient is a fakeConn whose connects end when the test says so.
type patient struct {
	fakeConn
	subs  []*patientSubConn
	asked int // for names

	mu sync.Mutex // guards what the sub-connections count
}

type patientSubConn struct {
	fakeSubConn
	of       *patient
	connects int
	dialing  bool
}

func (c *patient) NewSubConn(addrs []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	s := &patientSubConn{of: c, fakeSubConn: fakeSubConn{addr: addrs[0].Addr, listener: o.StateListener}}
	c.subs = append(c.subs, s)
	return s, nil
}
func (c *patient) ResolveNow(resolver.ResolveNowOptions) { c.asked++ }
func (s *patientSubConn) Connect() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.connects++
	s.dialing = true
}

// waits reports whether s is being connected, and how often it was.
func (s *patientSubConn) waits() (dialing bool, connects int) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	return s.dialing, s.connects
}

// end ends the connect of s.
func (s *patientSubConn) end(state connectivity.State) {
	s.of.mu.Lock()
	s.dialing = false
	s.of.mu.Unlock()
	s.set(connectivity.Connecting, nil)
	s.set(state, errors.New("no"))
}

func (c *patient) dialing() (n int) {
	for _, s := range c.subs {
		if dialing, _ := s.waits(); dialing {
			n++
		}
	}
	return n
}

// bring returns the balancer of a fleet of n endpoints, of a channel with this
// contract.
func bring(t *testing.T, n int, service *surefootv1.Service) (*patient, *fleetBalancer) {
	t.Helper()
	turn := uint64(0)
	f := fleetWith(t, service, func() uint64 { turn += 7919; return turn })
	cc := &patient{}
	b, _ := f.balancer(cc).(*fleetBalancer)
	found(t, b, endpointsOf(n))
	return cc, b
}

func found(t *testing.T, b balancer.Balancer, endpoints []resolver.Endpoint) {
	t.Helper()
	if err := b.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: endpoints}}); err != nil {
		t.Fatal(err)
	}
}

// However they end, no more connects run than may, and everybody has a turn.
func TestConnectsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 20, &surefootv1.Service{Connection: &surefootv1.Connection{MaxConnecting: new(int32(3))}})
		defer b.Close()
		for range 100 {
			if n := cc.dialing(); n > 3 {
				t.Fatalf("%d connects run", n)
			}
			for i, s := range cc.subs {
				if dialing, _ := s.waits(); dialing {
					s.end([]connectivity.State{connectivity.Ready, connectivity.TransientFailure, connectivity.Idle}[i%3])
					break
				}
			}
			<-time.After(spread)
			synctest.Wait()
		}
		for i, s := range cc.subs {
			_, connects := s.waits()
			if connects == 0 {
				t.Errorf("endpoint %d was never connected", i)
			}
			if i%3 == 2 && connects < 2 {
				t.Errorf("endpoint %d became idle and was not connected again", i)
			}
		}
		// Those that go while they connect make room.
		found(t, b, endpointsOf(25)[19:])
		for range 10 {
			<-time.After(spread)
			synctest.Wait()
			for _, s := range cc.subs[20:] {
				if dialing, _ := s.waits(); dialing {
					s.end(connectivity.Ready)
				}
			}
		}
		for _, s := range cc.subs[20:] {
			if _, connects := s.waits(); connects == 0 {
				t.Errorf("%s, which is new, was never connected", s.addr)
			}
		}
	})
}

// Nobody waits at bring-up; what no call waits for is spread over time.
func TestConnectsAreSpreadUnlessCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 10, nil)
		defer b.Close()
		if n := cc.dialing(); n != 10 {
			t.Fatalf("%d of 10 connect at once", n)
		}
		for _, s := range cc.subs {
			s.end(connectivity.Ready)
		}
		for _, s := range cc.subs[:5] {
			s.set(connectivity.Idle, nil)
		}
		if n := cc.dialing(); n != 0 {
			t.Errorf("%d connect again at once, with others ready", n)
		}
		<-time.After(spread)
		synctest.Wait()
		if n := cc.dialing(); n != 5 {
			t.Errorf("%d of 5 connect again after %v", n, spread)
		}
		for _, s := range cc.subs[5:] {
			s.set(connectivity.Idle, nil)
		}
		if n := cc.dialing(); n != 10 {
			t.Errorf("%d connect, and none is ready: want all 10", n)
		}
	})
}

func TestNamesAreAskedForWhenHalfAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 10, nil)
		defer b.Close()
		for _, s := range cc.subs {
			s.end(connectivity.Ready)
		}
		cc.asked = 0
		for _, s := range cc.subs[:4] {
			s.set(connectivity.Idle, nil)
		}
		if cc.asked != 0 {
			t.Errorf("asked %d times with six of ten left", cc.asked)
		}
		cc.subs[4].set(connectivity.Idle, nil)
		if cc.asked != 1 {
			t.Errorf("asked %d times with five of ten left, want once", cc.asked)
		}
	})
}

// Of a large fleet a client uses its part, the same after each update.
func TestOfALargeFleetOnlyAPartIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := endpointsOf(1001)
		cc, b := bring(t, 1000, nil)
		defer b.Close()
		if n := len(cc.subs); n != 250 {
			t.Fatalf("%d connections, want 250", n)
		}
		for _, s := range cc.subs {
			s.end(connectivity.Ready)
		}
		found(t, b, all)
		gone := append(append([]resolver.Endpoint{}, all[:500]...), all[501:]...)
		found(t, b, gone)
		if n := len(cc.subs) - 250; n > 2 {
			t.Errorf("%d new connections for one endpoint that came and one that went", n)
		}
		synctest.Wait()
		open := 0
		for _, s := range cc.subs {
			if !s.shut {
				open++
			}
		}
		if open != 250 {
			t.Errorf("%d connections are open, want 250", open)
		}
	})
}

func TestAnswersThatAreTooOldAreNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 3, nil)
		defer b.Close()
		for _, s := range cc.subs {
			s.end(connectivity.Ready)
		}
		b.ResolverError(errors.New("SERVFAIL"))
		if last := cc.states[len(cc.states)-1]; last.ConnectivityState != connectivity.Ready {
			t.Errorf("%v after an error of the resolver", last.ConnectivityState)
		}
		b.ResolverError(&discovery.EmptiedError{Err: errors.New("SERVFAIL")})
		last := cc.states[len(cc.states)-1]
		if _, err := last.Picker.Pick(balancer.PickInfo{Ctx: t.Context()}); err == nil || last.ConnectivityState != connectivity.TransientFailure {
			t.Errorf("%v, pick %v: want a failure that says why", last.ConnectivityState, err)
		}
		synctest.Wait()
		for _, s := range cc.subs {
			if !s.shut {
				t.Errorf("%s is still connected", s.addr)
			}
		}
		found(t, b, endpointsOf(3))
		if n := len(cc.subs); n != 6 {
			t.Errorf("%d connections ever, want three new ones", n)
		}
	})
}

// A connection that is slow to shut down, because its peer is dead and nothing
// more can be written, keeps neither updates nor calls waiting.
func TestNobodyWaitsForAConnectionToShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 3, nil)
		defer b.Close()
		for _, s := range cc.subs {
			s.stuck = make(chan struct{})
			s.end(connectivity.Ready)
		}
		all := endpointsOf(3)
		found(t, b, all[:2])
		cc.subs[0].end(connectivity.TransientFailure)
		b.sweepSoon()
		b.checkSoon()
		synctest.Wait()
		if cc.subs[2].shut {
			t.Error("it is not stuck")
		}
		for _, s := range cc.subs {
			close(s.stuck)
		}
		synctest.Wait()
		if !cc.subs[2].shut {
			t.Error("it was not shut down")
		}
	})
}

// The counts of a fleet are those of its endpoints, whatever happened.
func TestTheBooksBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 6, &surefootv1.Service{Connection: &surefootv1.Connection{MaxConnecting: new(int32(2))}})
		defer b.Close()
		chance := rand.New(rand.NewPCG(1, 2))
		for step := range 5000 {
			synctest.Wait()
			r := chance.IntN(1 << 20)
			switch r % 9 {
			case 0:
				lo := r / 9 % 8
				found(t, b, endpointsOf(10)[lo:lo+1+r/72%(10-lo)])
			case 1, 2, 3, 4:
				s := cc.subs[len(cc.subs)-1-r/9%min(len(cc.subs), 10)]
				if !s.shut {
					s.end([]connectivity.State{connectivity.Ready, connectivity.TransientFailure, connectivity.Idle}[r/90%3])
				}
			case 5:
				<-time.After(time.Duration(r%200) * time.Millisecond)
				synctest.Wait()
			case 6:
				b.ExitIdle()
			default:
				b.mu.Lock()
				if len(b.endpoints) > 0 {
					b.suspected(b.endpoints[r%len(b.endpoints)], r%2 == 0)
				}
				b.mu.Unlock()
			}
			b.mu.Lock()
			ready, failed, dialing, outs := 0, 0, 0, 0
			for _, list := range [][]*Endpoint{b.endpoints, b.leaving} {
				for _, e := range list {
					if e.ready() {
						ready++
					}
					if e.dialing {
						dialing++
					}
					if e.suspected || e.ejected {
						outs++
					}
				}
			}
			for _, e := range b.endpoints {
				failed += failing(e.state)
			}
			if ready != b.ready || failed != b.failing || dialing != b.dialing || outs != b.outs {
				t.Fatalf("step %d: ready %d, failing %d, dialing %d, out %d; counted %d, %d, %d, %d",
					step, b.ready, b.failing, b.dialing, b.outs, ready, failed, dialing, outs)
			}
			b.mu.Unlock()
		}
	})
}
