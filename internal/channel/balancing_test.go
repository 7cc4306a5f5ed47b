package channel_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/endpoint"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// steadily makes one call each interval, for d, and returns how many failed.
func (w *world) steadily(interval, d time.Duration) (failed int) {
	w.t.Helper()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		<-tick.C
		if _, err := w.stub.Get(w.t.Context(), getRequest); err != nil {
			failed++
		}
	}
	return failed
}

// share returns the part of the attempts since forget that s got.
func (w *world) share(s *server) float64 {
	all := int64(0)
	for _, o := range w.servers {
		all += o.gets.Load()
	}
	return float64(s.gets.Load()) / float64(max(all, 1))
}

// sick is a server that can be made ill.
type sick struct{ ill atomic.Bool }

func (k *sick) server(handle func(context.Context) error) func(*server) {
	return func(s *server) {
		s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			<-time.After(5 * time.Millisecond)
			if s.name == "a" && k.ill.Load() {
				if err := handle(ctx); err != nil {
					return nil, err
				}
			}
			return &inventoryv1.GetResponse{Server: s.name}, nil
		}
	}
}

func TestEndpointThatIsBadIsEjectedAndComesBack(t *testing.T) {
	overloaded := func(context.Context) error { return status.Error(codes.Unavailable, "overloaded") }
	slow := func(ctx context.Context) error {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	}
	for _, c := range []struct {
		name   string
		handle func(context.Context) error
		opts   []surefoot.ClientOption
	}{
		{"errors", overloaded, nil},
		{"slow", slow, nil},
		{"slow, and every call on it is hedged", slow, []surefoot.ClientOption{hedging(nil)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a sick
				w := newWorld(t, 10, a.server(c.handle), c.opts...)
				defer w.close()
				w.warm()
				if n := w.steadily(2*time.Millisecond, 5*time.Second); n > 0 {
					t.Fatalf("%d failed while all was well", n)
				}
				a.ill.Store(true)
				if n := w.steadily(2*time.Millisecond, 2*time.Second); n > 0 {
					t.Errorf("%d calls failed", n)
				}
				w.forget()
				if n := w.steadily(2*time.Millisecond, 20*time.Second); n > 0 {
					t.Errorf("%d calls failed", n)
				}
				if s := w.share(w.servers[0]); s > 0.01 {
					t.Errorf("the bad server has %.2f %% of the attempts, from 2 s after it became bad", 100*s)
				}
				a.ill.Store(false)
				w.steadily(2*time.Millisecond, 15*time.Second)
				w.forget()
				w.steadily(2*time.Millisecond, 5*time.Second)
				if s := w.share(w.servers[0]); s < 0.09 {
					t.Errorf("15 s after it healed the server has %.1f %% of the attempts, want 10", 100*s)
				}
			})
		})
	}
}

// What is known of an endpoint outlives pickers, answers of the name server and
// its connection, and is forgotten when the endpoint is gone.
func TestEjectionOutlivesWhatIsAroundIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a sick
		w := newWorld(t, 6, a.server(func(context.Context) error { return status.Error(codes.Unavailable, "ill") }))
		defer w.close()
		w.warm()
		a.ill.Store(true)
		w.steadily(2*time.Millisecond, 2*time.Second)
		a.ill.Store(false) // nobody can know
		bad := w.servers[0]
		gets := func() int64 {
			w.forget()
			w.steadily(2*time.Millisecond, 200*time.Millisecond)
			return bad.gets.Load()
		}
		if n := gets(); n > 1 {
			t.Fatalf("%d calls on what should be ejected", n)
		}
		w.names.UpdateState(w.state(w.servers...)) // the same again
		if n := gets(); n > 1 {
			t.Errorf("%d calls after the names were looked up again", n)
		}
		w.servers[5].kill() // another picker
		if n := gets(); n > 1 {
			t.Errorf("%d calls after another was lost", n)
		}
		bad.kill()
		bad.start()
		time.Sleep(500 * time.Millisecond) // it is connected again
		if n := gets(); n > 1 {
			t.Errorf("%d calls after it was connected again", n)
		}
		w.names.UpdateState(w.state(w.servers[1:]...))
		time.Sleep(15 * time.Second) // it is not waited for
		w.names.UpdateState(w.state(w.servers...))
		time.Sleep(time.Second)
		if n := gets(); n < 5 {
			t.Errorf("%d calls on an endpoint that came back to the list: it is new", n)
		}
	})
}

// Other weights are other shares, and no other connections.
func TestChangedWeightsReconnectNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil)
		defer w.close()
		w.warm()
		w.mu.Lock()
		w.changes = nil
		w.mu.Unlock()
		st := w.state(w.servers...)
		st.Endpoints[0] = endpoint.WithWeight(st.Endpoints[0], 8)
		w.names.UpdateState(st)
		w.forget()
		w.steadily(time.Millisecond, time.Second)
		if s := w.share(w.servers[0]); s < 0.79 || s > 0.81 {
			t.Errorf("a share of %.2f with eight tenths of the weights", s)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.changes) > 0 {
			t.Errorf("changes %+v", w.changes)
		}
	})
}

func TestServerThatAnswersNotFoundIsNotEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a sick
		w := newWorld(t, 4, a.server(func(context.Context) error { return status.Error(codes.NotFound, "no anvil") }))
		defer w.close()
		w.warm()
		a.ill.Store(true)
		w.steadily(2*time.Millisecond, 5*time.Second)
		if s := w.share(w.servers[0]); s < 0.24 {
			t.Errorf("it has %.1f %% of the attempts, want 25", 100*s)
		}
	})
}

// A server hangs: what is sent is swallowed, nothing comes back, and no
// connection ever breaks.
func TestHungServerIsFoundByAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5, nil)
		defer w.close()
		w.warm()
		w.steadily(5*time.Millisecond, time.Second)
		w.servers[0].hang()
		if n := w.steadily(5*time.Millisecond, time.Second); n > 0 {
			t.Errorf("%d calls failed", n)
		}
		w.forget()
		w.steadily(5*time.Millisecond, 10*time.Second)
		if n := w.servers[0].gets.Load(); n != 0 {
			t.Errorf("a hung server handled %d calls", n)
		}
		_, attempts := w.seen()
		for _, a := range attempts {
			if a.Endpoint == "a" && a.Verdict != "success" {
				t.Errorf("attempt on the hung server, %v after it was known: %s", a.Start, a.Verdict)
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if text := fmt.Sprint(w.changes); !strings.Contains(text, "condemned") {
			t.Errorf("nobody was condemned: %s", text)
		}
	})
}

// One address stands for many servers: it hangs, and is neither ejected nor
// condemned.
func TestSingleEndpointIsNeverGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				return nil, status.Error(codes.Unavailable, "one of many is ill")
			}
		})
		defer w.close()
		w.steadily(10*time.Millisecond, 5*time.Second)
		w.servers[0].hang()
		w.steadily(10*time.Millisecond, 5*time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.changes {
			switch c.To {
			case "ejected", "suspect", "condemned":
				t.Errorf("%+v", c)
			}
		}
	})
}

// One address stands for many servers, and the connection is to a slow one. An
// attempt that takes too long is moved away from it once. The repeat is on the
// same connection, and nobody cuts it again: its answer would only come later.
func TestOnASingleEndpointARepeatHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 600 * time.Millisecond
		w := newWorld(t, 1, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				<-time.After(slow)
				return &inventoryv1.GetResponse{Server: s.name}, nil
			}
		})
		defer w.close()
		w.warm()
		w.forget()
		start := time.Now()
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Fatal(err)
		}
		took, attempts := time.Since(start), w.servers[0].gets.Load()
		if want := 250*time.Millisecond + slow; attempts != 2 || took < want || took > want+50*time.Millisecond {
			t.Errorf("%d attempts and %v, want 2 and %v", attempts, took, want)
		}
	})
}

// When that was tried twice in vain, attempts have their time from the first on, and
// the budget is left for what can be mended.
func TestOnASingleEndpointThatIsSlowNobodyIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 600 * time.Millisecond
		w := newWorld(t, 1, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				<-time.After(slow)
				return &inventoryv1.GetResponse{Server: s.name}, nil
			}
		})
		defer w.close()
		w.warm()
		w.forget()
		for n := range 5 {
			before, start := w.servers[0].gets.Load(), time.Now()
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
			took, attempts := time.Since(start), w.servers[0].gets.Load()-before
			if n >= 2 && (attempts != 1 || took > slow+50*time.Millisecond) {
				t.Errorf("call %d: %d attempts and %v, want 1 and %v", n+1, attempts, took, slow)
			}
		}
	})
}

// A proxy sends the repeat to another backend, which is quick: it is worth it each
// time.
func TestOnASingleEndpointRepeatsThatAreQuickGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 600 * time.Millisecond
		var calls atomic.Int64
		w := newWorld(t, 1, func(s *server) {
			s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if calls.Add(1)%2 == 1 {
					select {
					case <-time.After(slow):
					case <-ctx.Done():
					}
				}
				return &inventoryv1.GetResponse{Server: s.name}, nil
			}
		})
		defer w.close()
		w.warm()
		calls.Store(0)
		for n := range 6 {
			start := time.Now()
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 400*time.Millisecond {
				t.Errorf("call %d took %v: it was not repeated", n+1, took)
			}
		}
	})
}

// The whole fleet is replaced: nobody waits for the new one.
func TestReplacedFleetIsUsedUntilTheNewOneIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, nil)
		defer w.close()
		old, young := w.servers[:2], w.servers[2:]
		w.names.InitialState(w.state(old...))
		for _, s := range young {
			s.slowDial = 500 * time.Millisecond
		}
		w.steadily(10*time.Millisecond, time.Second)
		w.names.UpdateState(w.state(young...))
		for range 200 {
			began := time.Now()
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil || time.Since(began) > 0 {
				t.Fatalf("%v after %v", err, time.Since(began))
			}
			time.Sleep(5 * time.Millisecond)
		}
		w.forget()
		w.steadily(10*time.Millisecond, time.Second)
		for _, s := range old {
			if n := s.gets.Load(); n > 0 {
				t.Errorf("%s, which is gone, got %d calls", s.name, n)
			}
		}
	})
}

// A stream on an endpoint that left is cut when the drain time is over.
func TestDrainOfALongStreamIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, stream inventoryv1.Inventory_WatchServer) error {
				_ = stream.Send(&inventoryv1.WatchResponse{Server: s.name})
				<-stream.Context().Done()
				return nil
			}
		}, contractOf(nil, &surefootv1.Service{Connection: &surefootv1.Connection{DrainMs: new(int64(60_000))}}))
		defer w.close()
		w.warm()
		stream, err := w.stub.Watch(t.Context(), &inventoryv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		stays := w.servers[0]
		if first.GetServer() == stays.name {
			stays = w.servers[1]
		}
		began := time.Now()
		w.names.UpdateState(w.state(stays))
		if _, err = stream.Recv(); status.Code(err) != codes.Unavailable || time.Since(began).Round(time.Second) != time.Minute {
			t.Errorf("%v after %v, want UNAVAILABLE after 1m", err, time.Since(began))
		}
	})
}

// Keys stay where they are, and those of a server that is down come back.
func TestKeysStayWithTheirEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, nil, contractOf(nil, &surefootv1.Service{Balance: &surefootv1.Balance{
			Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{Header: new("x-shard")}},
		}}))
		defer w.close()
		w.client.Connect()
		time.Sleep(time.Second)
		const keys = 400
		where := func() (at [keys]string) {
			for k := range keys {
				ctx := metadata.AppendToOutgoingContext(t.Context(), "x-shard", fmt.Sprint("shard-", k))
				if k%2 == 0 { // says the same in another way
					ctx = call.WithHashKey(t.Context(), fmt.Sprint("shard-", k))
				}
				r, err := w.stub.Get(ctx, getRequest)
				if err != nil {
					t.Fatal(err)
				}
				at[k] = r.GetServer()
			}
			return at
		}
		before := where()
		if again := where(); again != before {
			t.Error("keys moved, and nothing had happened")
		}
		w.servers[0].kill()
		synctest.Wait()
		during := where()
		for k := range keys {
			if moved := during[k] != before[k]; moved != (before[k] == "a") {
				t.Errorf("key %d was at %s, is at %s while a is down", k, before[k], during[k])
			}
		}
		w.servers[0].start()
		time.Sleep(5 * time.Second)
		if after := where(); after != before {
			t.Error("not every key came back")
		}
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Errorf("a call without a key: %v", err)
		}
	})
}

// hashing is the contract of keys in the header x-shard.
func hashing() surefoot.ClientOption {
	return contractOf(nil, &surefootv1.Service{Balance: &surefootv1.Balance{
		Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{Header: new("x-shard")}},
	}})
}

// While a server is ejected, its trials take no key that is not its own: every
// attempt is at its key's home, or, for the keys of the ejected, at the next in
// the key's order.
func TestTrialsTakeOnlyTheirOwnKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = 300
		var ill atomic.Bool
		var mu sync.Mutex
		var seen [keys]map[string]int // attempts of each key, by server
		trials := 0
		w := newWorld(t, 8, func(s *server) {
			s.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				k, _ := strconv.Atoi(md.Get("x-shard")[0])
				mu.Lock()
				defer mu.Unlock()
				seen[k][s.name]++
				if s.name == "a" && ill.Load() {
					trials++
					return nil, status.Error(codes.Unavailable, "ill")
				}
				return &inventoryv1.GetResponse{Server: s.name}, nil
			}
		}, hashing())
		defer w.close()
		w.client.Connect()
		time.Sleep(time.Second)
		round := func() {
			for k := range keys {
				ctx := metadata.AppendToOutgoingContext(t.Context(), "x-shard", strconv.Itoa(k))
				if _, err := w.stub.Get(ctx, getRequest); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		forget := func() {
			mu.Lock()
			defer mu.Unlock()
			for k := range seen {
				seen[k] = map[string]int{}
			}
			trials = 0
		}
		forget()
		round()
		var home [keys]string
		for k := range seen {
			for name := range seen[k] {
				home[k] = name
			}
			if len(seen[k]) != 1 {
				t.Fatalf("key %d was at %v", k, seen[k])
			}
		}
		ill.Store(true)
		round() // a is ejected
		forget()
		for range 20 {
			round()
		}
		for k := range keys {
			mine := home[k] == "a"
			if !mine && (len(seen[k]) != 1 || seen[k][home[k]] == 0) {
				t.Errorf("key %d of %s was at %v", k, home[k], seen[k])
			}
			delete(seen[k], "a")
			if mine && len(seen[k]) != 1 {
				t.Errorf("key %d of a was at a and at %v", k, seen[k])
			}
		}
		if trials == 0 || trials > 20 {
			t.Errorf("%d trials in 30 s", trials)
		}
		ill.Store(false)
		for range 10 {
			round()
		}
		forget()
		round()
		for k := range keys {
			if seen[k][home[k]] != 1 {
				t.Errorf("key %d of %s is at %v after the healing", k, home[k], seen[k])
			}
		}
	})
}

// No call of its own keys may be repeated: the ejected server is tried with
// those all the same, a little later.
func TestTrialsTakeRiskyCallsIfTheirKeysHaveNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		w := newWorld(t, 4, func(s *server) {
			s.reserve = func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				if s.name == "a" && ill.Load() {
					return nil, status.Error(codes.Unavailable, "ill")
				}
				return &inventoryv1.ReserveResponse{Server: s.name}, nil
			}
		}, hashing())
		defer w.close()
		w.client.Connect()
		time.Sleep(time.Second)
		key := 0 // of a
		reserve := func(k int) string {
			r, _ := w.stub.Reserve(call.WithHashKey(t.Context(), strconv.Itoa(k)), &inventoryv1.ReserveRequest{})
			return r.GetServer()
		}
		for reserve(key) != "a" {
			key++
		}
		other := 0 // of another
		for reserve(other) == "a" {
			other++
		}
		run := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				reserve(key)
				if _, err := w.stub.Get(call.WithHashKey(t.Context(), strconv.Itoa(other)), getRequest); err != nil {
					t.Fatal(err)
				}
			}
		}
		ill.Store(true)
		run(2 * time.Second)
		if at := reserve(key); at == "a" || at == "" {
			t.Fatalf("a was not ejected: the call was at %q", at)
		}
		ill.Store(false)
		run(20 * time.Second)
		if at := reserve(key); at != "a" {
			t.Errorf("20 s after it healed its key is at %s", at)
		}
	})
}

// Half of the servers are ejected, and that leaves fewer than the panic
// threshold: all share the load.
func TestBelowThePanicThresholdTheLoadIsSpreadOverAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		w := newWorld(t, 10, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if ill.Load() && s.name < "f" {
					return nil, status.Error(codes.Unavailable, "ill")
				}
				return &inventoryv1.GetResponse{Server: s.name}, nil
			}
		}, surefoot.WithHouseDefaults(&surefootv1.Service{Balance: &surefootv1.Balance{PanicPercent: new(int32(60))}}))
		defer w.close()
		w.warm()
		w.steadily(2*time.Millisecond, 2*time.Second)
		ill.Store(true)
		w.steadily(2*time.Millisecond, 1500*time.Millisecond)
		ejected := map[string]bool{}
		w.mu.Lock()
		for _, c := range w.changes {
			if c.To == "ejected" {
				ejected[c.Endpoint] = true
			}
		}
		w.mu.Unlock()
		if len(ejected) != 5 {
			t.Fatalf("%v are ejected, want half", ejected)
		}
		w.forget()
		w.steadily(2*time.Millisecond, time.Second)
		for _, s := range w.servers[:5] {
			if share := w.share(s); share < 0.08 {
				t.Errorf("%s has %.1f %% of the attempts, want a tenth", s.name, 100*share)
			}
		}
	})
}

func TestCallsStayInTheirZoneWhileItIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, nil, surefoot.WithZone("east"))
		defer w.close()
		var st resolver.State
		for i, s := range w.servers {
			e := resolver.Endpoint{Addresses: []resolver.Address{{Addr: s.name}}}
			st.Endpoints = append(st.Endpoints, endpoint.WithZone(e, []string{"east", "west"}[i%2]))
		}
		w.names.InitialState(st)
		w.client.Connect()
		time.Sleep(time.Second)
		inEast := func() float64 {
			w.forget()
			w.steadily(time.Millisecond, time.Second)
			return w.share(w.servers[0]) + w.share(w.servers[2]) + w.share(w.servers[4]) + w.share(w.servers[6])
		}
		if s := inEast(); s < 0.999 {
			t.Errorf("%.2f of the calls stay in the zone", s)
		}
		w.servers[0].kill()
		w.servers[2].kill()
		time.Sleep(100 * time.Millisecond)
		if s := inEast(); s < 0.69 || s > 0.71 { // half of it with 40 % to spare
			t.Errorf("%.2f of the calls stay in a zone that has lost half, want 0.70", s)
		}
	})
}

func TestNewEndpointStartsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, nil, contractOf(nil, &surefootv1.Service{Balance: &surefootv1.Balance{SlowStartMs: new(int64(10_000))}}))
		defer w.close()
		w.names.InitialState(w.state(w.servers[:3]...))
		w.steadily(time.Millisecond, 20*time.Second)
		w.names.UpdateState(w.state(w.servers...))
		last := 0.0
		for range 5 {
			w.forget()
			w.steadily(time.Millisecond, 2*time.Second)
			s := w.share(w.servers[3])
			if s <= last {
				t.Errorf("its share went from %.3f to %.3f", last, s)
			}
			last = s
		}
		w.forget()
		w.steadily(time.Millisecond, 2*time.Second)
		if s := w.share(w.servers[3]); s < 0.24 {
			t.Errorf("a share of %.3f at the end, want 0.25", s)
		}
	})
}

// A dry run tells what it would do, and does nothing.
func TestDryRunOfLivenessClosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil, surefoot.WithHouseDefaults(&surefootv1.Service{
			Connection: &surefootv1.Connection{Liveness: &surefootv1.Liveness{DryRun: new(true)}},
			Balance:    &surefootv1.Balance{Ejection: &surefootv1.Ejection{DryRun: new(true)}},
		}))
		defer w.close()
		w.warm()
		w.servers[0].hang()
		w.steadily(5*time.Millisecond, 5*time.Second)
		told := make(map[string]int)
		w.mu.Lock()
		for _, c := range w.changes {
			told[c.To]++
		}
		w.mu.Unlock()
		if told["condemned"] == 0 || told["ejected"] == 0 {
			t.Errorf("told %v, want that it would condemn and eject", told)
		}
		if told["ready"] != 3+told["suspect"] && told["idle"] != 3 {
			t.Errorf("told %v, want no connection closed", told)
		}
		_, attempts := w.seen()
		slow := 0
		for _, a := range attempts {
			if a.Endpoint == "a" && a.Duration > 0 && a.Start.After(attempts[len(attempts)-1].Start.Add(-2*time.Second)) {
				slow++
			}
		}
		if slow == 0 {
			t.Error("the hung server gets no attempts any more")
		}
	})
}
