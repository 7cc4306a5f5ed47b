package channel_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// within makes a reservation by a caller that gives it so much time.
func (w *world) within(d time.Duration) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	return w.reserve(ctx)
}

// takes returns a mood of handlers that take so long, or until nobody waits.
func takes(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// A caller that gives its calls less time than they take shuts nobody else out,
// whether others have shown how long they take or not.
func TestACallerInAHurryOpensNoBreaker(t *testing.T) {
	for name, others := range map[string]bool{"beside others": true, "before others": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, mood := moody(t, 3)
				defer w.close()
				w.warm()
				mood.is(takes(50 * time.Millisecond))
				for range 100 {
					for range 3 {
						if err := w.within(20 * time.Millisecond); status.Code(err) != codes.DeadlineExceeded || denied(err) != nil {
							t.Fatalf("in a hurry: %v", err)
						}
					}
					if others {
						if err := w.within(time.Second); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := w.within(time.Second); err != nil {
					t.Error(err)
				}
				if told := w.states(); len(told) > 0 {
					t.Errorf("%q", told)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, c := range w.changes {
					if c.To == "ejected" {
						t.Errorf("%+v", c)
					}
				}
			})
		})
	}
}

// A service that hangs opens its breaker though its callers give less time than
// the contract: enough for what it takes when it is well, or a fair part of what the
// contract gives where nobody knows that.
func TestAServiceThatHangsOpensItsBreakerWhateverItsCallersGive(t *testing.T) {
	for name, c := range map[string]struct {
		seen  int // calls that succeed before
		given time.Duration
		opens bool
	}{
		"well before":                        {20, 60 * time.Millisecond, true},
		"well before, and in a hurry":        {20, 40 * time.Millisecond, false},
		"never seen":                         {0, 200 * time.Millisecond, true}, // of 2 s
		"never seen, and in a hurry":         {0, 190 * time.Millisecond, false},
		"well before, all that it can have":  {20, 2 * time.Second, true},
		"well before, more than it can have": {20, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, mood := moody(t, 3, breakerOf(nil))
				defer w.close()
				w.warm()
				mood.is(takes(50 * time.Millisecond))
				for range c.seen {
					if err := w.reserve(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				mood.is(takes(time.Hour))
				done := make(chan error)
				for range 60 {
					go func() { done <- w.within(c.given) }()
				}
				for range 60 {
					if err := <-done; status.Code(err) != codes.DeadlineExceeded {
						t.Error(err)
					}
				}
				if opened := denied(w.within(c.given)) != nil; opened != c.opens {
					t.Errorf("opened %v, %q", opened, w.states())
				}
			})
		})
	}
}

// A server that says DEADLINE_EXCEEDED, since it leaves itself time to say so,
// says no more than that the caller gave too little.
func TestAServerThatSeesTheHurryOpensNoBreaker(t *testing.T) {
	for given, opens := range map[time.Duration]bool{20 * time.Millisecond: false, time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			w, mood := moody(t, 3, breakerOf(nil))
			defer w.close()
			w.warm()
			mood.fails(codes.DeadlineExceeded)
			for range 60 {
				_ = w.within(given)
			}
			if opened := denied(w.within(given)) != nil; opened != opens {
				t.Errorf("%v: opened %v", given, opened)
			}
		})
	}
}

// What a call has left when an endpoint is ready is what its service is given.
func TestTheWaitForAnEndpointIsNoTimeForTheService(t *testing.T) {
	for given, opens := range map[time.Duration]bool{300 * time.Millisecond: false, 500 * time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			w, mood := moody(t, 3, breakerOf(nil))
			defer w.close()
			for _, s := range w.servers {
				s.slowDial = 250 * time.Millisecond
			}
			mood.is(takes(time.Hour))
			var all sync.WaitGroup
			for range 60 {
				all.Go(func() { _ = w.within(given) })
			}
			all.Wait()
			if w.reached() == 0 {
				t.Fatal("nothing was sent")
			}
			if opened := denied(w.within(given)) != nil; opened != opens {
				t.Errorf("%v: opened %v", given, opened)
			}
		})
	}
}

// The contract of a method that nobody knows gives a call 10 s, and a stream no
// deadline: whatever its caller gives is enough while nobody knows better.
func TestAStreamThatHangsOpensItsBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := moody(t, 3, breakerOf(nil))
		defer w.close()
		w.warm()
		for _, s := range w.servers {
			s.hang()
		}
		watch := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			s, err := w.client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/unknown.v1.Service/Watch")
			if err == nil {
				_ = s.SendMsg(&inventoryv1.WatchRequest{})
				err = s.RecvMsg(&inventoryv1.WatchResponse{})
			}
			return err
		}
		for range 20 {
			if err := watch(); status.Code(err) != codes.DeadlineExceeded {
				t.Fatal(err)
			}
		}
		if err := watch(); denied(err) == nil {
			t.Error(err)
		}
	})
}

// The same holds for the circuit of a group. One that hangs is shut.
func TestACallerInAHurryShutsNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCells(t, "xy", perGroup())
		defer c.close()
		var hung atomic.Bool
		for _, s := range c.servers {
			s.reserve = func(ctx context.Context, _ *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				if hung.Load() {
					return nil, takes(time.Hour)(ctx)
				}
				return &inventoryv1.ReserveResponse{}, takes(50 * time.Millisecond)(ctx)
			}
		}
		for range 100 {
			if err := c.within(20 * time.Millisecond); status.Code(err) != codes.DeadlineExceeded {
				t.Fatal(err)
			}
		}
		if told := c.told(); len(told) > 0 {
			t.Errorf("%q", told)
		}
		hung.Store(true)
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() { _ = c.within(time.Second) })
		}
		all.Wait()
		if told := c.told(); !slices.Contains(told, "open x") || !slices.Contains(told, "open y") {
			t.Errorf("%q", told)
		}
	})
}
