package channel_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// cells is a world of servers in groups, each of which works or is down.
type cells struct {
	*world

	down sync.Map    // server name -> true
	seen sync.Map    // server name -> *atomic.Int64
	stay atomic.Bool // streams go on after their first message
}

// newCells returns a world with the servers a, b, c … in the groups that each
// letter of in names; a dot is no group.
func newCells(t *testing.T, in string, b *surefootv1.Breaker, opts ...surefoot.ClientOption) *cells {
	t.Helper()
	c := new(cells)
	answer := func(s *server) error {
		n, _ := c.seen.LoadOrStore(s.name, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		if _, down := c.down.Load(s.name); down {
			return status.Error(codes.Unavailable, "down")
		}
		return nil
	}
	c.world = newWorld(t, len(in), func(s *server) {
		s.reserve = func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
			return &inventoryv1.ReserveResponse{Server: s.name}, answer(s)
		}
		s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
			if err := answer(s); err != nil {
				return err
			}
			if err := w.Send(&inventoryv1.WatchResponse{Server: s.name}); err != nil || !c.stay.Load() {
				return err
			}
			<-w.Context().Done()
			return w.Context().Err()
		}
		s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			return &inventoryv1.GetResponse{Server: s.name}, answer(s)
		}
	}, append([]surefoot.ClientOption{breakerOf(b)}, opts...)...)
	c.warm()
	st := c.state(c.servers...)
	for i := range st.Endpoints {
		if in[i] != '.' {
			st.Endpoints[i] = endpoint.WithGroup(st.Endpoints[i], in[i:i+1])
		}
	}
	c.names.UpdateState(st)
	synctest.Wait()
	time.Sleep(10 * time.Millisecond)
	c.counts()
	return c
}

func (c *cells) fail(servers string, down bool) {
	for _, s := range servers {
		if down {
			c.down.Store(string(s), true)
		} else {
			c.down.Delete(string(s))
		}
	}
}

// counts returns how many calls each server has had since the last time.
func (c *cells) counts() map[string]int64 {
	got := make(map[string]int64)
	c.seen.Range(func(name, n any) bool {
		got[name.(string)] = n.(*atomic.Int64).Swap(0)
		return true
	})
	return got
}

// changes returns what breakers did, with their groups.
func (c *cells) told() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.breakers {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s", b.To, b.Group)))
	}
	return all
}

func perGroup() *surefootv1.Breaker {
	return &surefootv1.Breaker{PerGroup: new(true), MinCalls: new(int32(20)), FailurePercent: new(int32(90))}
}

// A group that fails is left alone, the others take its calls in equal parts,
// and it comes back by trials within five seconds of its healing.
func TestAGroupThatFailsIsLeftAloneUntilItIsBack(t *testing.T) {
	for name, b := range map[string]*surefootv1.Balance{
		"round robin":     {Policy: &surefootv1.Balance_RoundRobin{RoundRobin: &surefootv1.RoundRobin{}}},
		"least request":   {Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{}}},
		"peak ewma":       {Policy: &surefootv1.Balance_PeakEwma{PeakEwma: &surefootv1.PeakEwma{}}},
		"consistent hash": {Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCells(t, "xxxyyy.", perGroup(), contractOf(nil, &surefootv1.Service{Balance: b}))
				defer c.close()
				c.fail("abc", true)
				failed := 0
				call := func() {
					if err := c.reserve(t.Context()); err != nil {
						if failed++; denied(err) != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(10 * time.Millisecond)
				}
				for i := 0; i < 1000 && len(c.told()) == 0; i++ {
					call()
				}
				if failed < 20 || !slices.Equal(c.told(), []string{"open x"}) {
					t.Fatalf("%d failed, %q", failed, c.told())
				}
				failed = 0
				c.counts()
				for range 6000 {
					call()
				}
				// Three trials each 3.75 s to 5 s.
				if failed < 12 || failed > 3*17 {
					t.Errorf("%d calls failed in a minute", failed)
				}
				got := c.counts()
				least, most := int64(1300), int64(1700)
				if name == "consistent hash" { // whose shares differ by nature
					least, most = 1000, 2000
				}
				for _, s := range []string{"d", "e", "f", "g"} {
					if got[s] < least || got[s] > most {
						t.Errorf("%s got %d of 6000 calls, want a quarter: %v", s, got[s], got)
					}
				}
				c.fail("abc", false)
				for range 510 {
					call()
				}
				if told := c.told(); told[len(told)-1] != "closed x" {
					t.Errorf("%q", told[len(told)-3:])
				}
				failed = 0
				time.Sleep(11 * time.Second) // peak EWMA forgets that they were slow
				c.counts()
				for range 700 {
					call()
				}
				if got := c.counts(); failed > 0 || got["a"] < 60 || got["b"] < 60 || got["c"] < 60 {
					t.Errorf("%d failed, %v", failed, got)
				}
			})
		})
	}
}

// If every endpoint is in a group whose breaker is open, a call fails at once,
// though the method's own breaker is closed: two attempts of each call failed in
// each group.
func TestACallFailsFastIfEveryGroupIsShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCells(t, "xxyy", &surefootv1.Breaker{PerGroup: new(true), ConsecutiveFailures: new(int32(4)), FailurePercent: new(int32(0))},
			contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: new(int32(4))}}}},
				&surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100))}}))
		defer c.close()
		get := func() error {
			_, err := c.stub.Get(t.Context(), getRequest)
			return err
		}
		for range 20 { // which earns repeats
			if err := get(); err != nil {
				t.Fatal(err)
			}
		}
		c.fail("abcd", true)
		for range 2 {
			if err := get(); denied(err) != nil || err == nil {
				t.Fatal(err)
			}
		}
		if told := c.told(); !slices.Contains(told, "open x") || !slices.Contains(told, "open y") || len(told) != 2 {
			t.Fatalf("%q", told)
		}
		c.counts()
		for range 100 {
			if err := get(); denied(err) == nil || !strings.Contains(err.Error(), "its breaker is open in every group of endpoints") {
				t.Fatal(err)
			}
		}
		for s, n := range c.counts() {
			if n > 0 {
				t.Errorf("%s got %d calls", s, n)
			}
		}
		c.fail("abcd", false)
		time.Sleep(5 * time.Second)
		for range 100 {
			if err := get(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A group that needs a trial gets one with the next call.
func TestATrialGoesToTheGroupThatNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCells(t, "yyyxyyyy", perGroup())
		defer c.close()
		c.fail("d", true)
		for range 200 {
			_ = c.reserve(t.Context())
		}
		if !slices.Equal(c.told(), []string{"open x"}) {
			t.Fatalf("%q", c.told())
		}
		c.fail("d", false)
		time.Sleep(5 * time.Second)
		for i := range 3 {
			c.counts()
			if err := c.reserve(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := c.counts(); got["d"] != 1 {
				t.Errorf("call %d: %v", i, got)
			}
		}
		if !slices.Equal(c.told(), []string{"open x", "half-open x", "closed x"}) {
			t.Errorf("%q", c.told())
		}
	})
}

// Streams count for their group when they begin.
func TestStreamsCountForTheirGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCells(t, "xy", perGroup())
		defer c.close()
		c.fail("a", true)
		watch := func() error {
			s, err := c.stub.Watch(t.Context(), &inventoryv1.WatchRequest{})
			if err == nil {
				_, err = s.Recv()
			}
			if err == nil {
				_, _ = s.Recv() // the end
			}
			return err
		}
		for range 40 {
			_ = watch()
		}
		if !slices.Equal(c.told(), []string{"open x"}) {
			t.Fatalf("%q", c.told())
		}
		c.counts()
		for range 20 {
			if err := watch(); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.counts(); got["a"] != 0 {
			t.Errorf("%v", got)
		}
		c.fail("a", false)
		time.Sleep(5 * time.Second)
		// The first message ends a trial, though the stream goes on.
		c.stay.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			s, err := c.stub.Watch(ctx, &inventoryv1.WatchRequest{})
			if err == nil {
				_, err = s.Recv()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(c.told(), []string{"open x", "half-open x", "closed x"}) {
			t.Errorf("%q", c.told())
		}
		cancel()
		synctest.Wait()
	})
}

// A dry run of groups reports, and keeps nobody away.
func TestADryRunOfGroupsShutsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := perGroup()
		b.DryRun = new(true)
		c := newCells(t, "xy", b)
		defer c.close()
		c.fail("a", true)
		for range 50 {
			_ = c.reserve(t.Context())
		}
		if got := c.counts(); got["a"] != 25 || !slices.Equal(c.told(), []string{"open x"}) || !c.breakers[0].DryRun {
			t.Fatalf("%v, %q", got, c.told())
		}
		c.fail("a", false)
		time.Sleep(5 * time.Second)
		for range 20 {
			if err := c.reserve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(c.told(), []string{"open x", "half-open x", "closed x"}) {
			t.Errorf("%q", c.told())
		}
	})
}

// Without groups the method's breaker is all there is; groups that come later
// have theirs; and those beyond the bound have none.
func TestGroupsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := perGroup()
		var problems atomic.Int64
		c := newCells(t, "..", b, surefoot.WithObserver(problemsTo(&problems)))
		defer c.close()
		c.fail("a", true)
		for range 40 {
			_ = c.reserve(t.Context())
		}
		if got := c.counts(); got["a"] != 20 || len(c.told()) > 0 {
			t.Errorf("%v, %q", got, c.told())
		}
		c.fail("a", false)
		for i := range 100 {
			st := resolver.State{Endpoints: c.state(c.servers...).Endpoints}
			st.Endpoints[0] = endpoint.WithGroup(st.Endpoints[0], fmt.Sprint("cell ", i))
			c.names.UpdateState(st)
		}
		time.Sleep(10 * time.Millisecond)
		for range 40 {
			if err := c.reserve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if problems.Load() != 1 {
			t.Errorf("told %d times that there are too many groups", problems.Load())
		}
	})
}
