package chain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

const (
	previous = "grpc-previous-rpc-attempts"
	repeated = "surefoot-repeated"
	pushback = "grpc-retry-pushback-ms"
	relayed  = "surefoot-relayed"
)

// plainClient returns a client of grpc-go's own.
func (n *network) plainClient(names []string, opts ...grpc.DialOption) inventoryv1.InventoryClient {
	opts = append(append(opts, grpc.WithTransportCredentials(insecure.NewCredentials())), n.options(names)...)
	c, err := grpc.NewClient("chain:///inventory", opts...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.closers = append(n.closers, func() { _ = c.Close() })
	return inventoryv1.NewInventoryClient(c)
}

// fails returns a handler that fails for the first calls, so many, or for all if
// times is negative.
func fails(times int, err error) func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	var n atomic.Int64
	return func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
		if i := n.Add(1); times < 0 || int(i) <= times {
			return nil, err
		}
		return &inventoryv1.GetResponse{}, nil
	}
}

// The call is repeated at the top. What is made for the repeat says so, all the way
// down, and is not repeated itself.
func TestTheMarkOfARepeatGoesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		bottom, middle := &tier{}, &tier{}
		n.serve("bottom", surefootService(t), bottom)
		middle.below = n.client([]string{"bottom"})
		n.serve("middle", surefootService(t), middle)
		// The first attempt of the call fails at the top itself, so that the client repeats.
		var first atomic.Bool
		top := &tier{}
		toMiddle := n.client([]string{"middle"})
		top.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
			if first.CompareAndSwap(true, false) {
				return nil, unavailable
			}
			return toMiddle.Get(ctx, r)
		}
		n.serve("top", surefootService(t), top)
		client := n.client([]string{"top"})

		if _, err := client.Get(t.Context(), anvil); err != nil {
			t.Fatal(err)
		}
		first.Store(true)
		if _, err := client.Get(t.Context(), anvil); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			got  []string
			want []string
		}{
			{"attempts before, at the top", top.seen(previous), []string{"", "", "1"}},
			{"the mark, at the top", top.seen(repeated), []string{"", "", ""}},
			{"attempts before, in the middle", middle.seen(previous), []string{"", ""}},
			{"the mark, in the middle", middle.seen(repeated), []string{"", "1"}},
			{"attempts before, at the bottom", bottom.seen(previous), []string{"", ""}},
			{"the mark, at the bottom", bottom.seen(repeated), []string{"", "1"}},
		} {
			if !slices.Equal(c.got, c.want) {
				t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
			}
		}

		first.Store(true)
		before := bottom.gets.Load()
		bottom.get = fails(1, unavailable)
		_, err := client.Get(t.Context(), anvil)
		// The second attempt of the client failed at the bottom, unrepeated; its third did not.
		if made := bottom.gets.Load() - before; err != nil || made != 2 {
			t.Errorf("%d attempts at the bottom, %v; want 2, of two attempts at the top", made, err)
		}
		if got := top.seen(previous)[3:]; !slices.Equal(got, []string{"", "1", "2"}) {
			t.Errorf("attempts before, at the top: %q", got)
		}
	})
}

// What never reached a handler adds no load below: it is repeated for a repeat
// too, and is no attempt of which a server must be told.
func TestWhatWasNotProcessedIsRepeatedForARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		bottom, top := &tier{}, &tier{}
		n.serve("bottom", surefootService(t), bottom)
		refusing := plainService(grpc.UnaryInterceptor(refuse("surefoot-not-executed", "/inventory.v1.Inventory/Get")))
		n.serve("refusing", refusing, &tier{})
		top.below = n.client([]string{"refusing", "bottom"})
		n.serve("top", surefootService(t), top)
		client := n.plainClient([]string{"top"})
		for bottom.gets.Load() == 0 { // until both are connected
			_, _ = top.below.Get(t.Context(), anvil)
			pass(t, 10*time.Millisecond)
		}
		pass(t, time.Minute) // the budget forgets it
		warm := int(bottom.gets.Load())
		for range 20 {
			pass(t, 2*time.Second) // every call may meet the refusing server first: the budget must be there
			ctx := metadata.AppendToOutgoingContext(t.Context(), previous, "1")
			if _, err := client.Get(ctx, anvil); err != nil {
				t.Fatal(err)
			}
		}
		if got := bottom.seen(repeated)[warm:]; len(got) != 20 || slices.Contains(got, "") {
			t.Errorf("the mark at the bottom: %q", got)
		}
		if got := bottom.seen(previous)[warm:]; slices.Contains(got, "1") {
			t.Errorf("attempts before, at the bottom: %q", got)
		}
	})
}

// refuse returns an interceptor that refuses every call with this trailer.
func refuse(trailer ...string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
		_ = grpc.SetTrailer(ctx, metadata.Pairs(trailer...))
		return nil, status.Error(codes.Unavailable, "too much to do")
	}
}

// once is a contract in which nothing is repeated.
func once() surefoot.ClientOption {
	return contractOf(&surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: new(int32(1)), Codes: nil}})
}

// A row for each thing that a handler may do with the failure of a call.
func TestTheAnswerToAFailureOfWhichARepeatWasRefused(t *testing.T) {
	detailed, err := status.New(codes.Unavailable, "no stock").WithDetails(&errdetails.ErrorInfo{Reason: "EMPTY"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		handle func(ctx context.Context, failing, fine inventoryv1.InventoryClient) error
		want   string // of the pushback
		status *status.Status
	}{
		{
			"passes the error on",
			func(ctx context.Context, failing, _ inventoryv1.InventoryClient) error {
				_, err := failing.Get(ctx, anvil)
				return err
			},
			"-1", status.New(codes.Unavailable, "the disk is on fire"),
		},
		{
			"wraps it",
			func(ctx context.Context, failing, _ inventoryv1.InventoryClient) error {
				_, err := failing.Get(ctx, anvil)
				return fmt.Errorf("stock: %w", err)
			},
			"-1", nil,
		},
		{
			"says it in words of its own",
			func(ctx context.Context, failing, _ inventoryv1.InventoryClient) error {
				_, _ = failing.Get(ctx, anvil)
				return detailed.Err()
			},
			"-1", detailed,
		},
		{
			"fails for another reason",
			func(ctx context.Context, failing, _ inventoryv1.InventoryClient) error {
				_, _ = failing.Get(ctx, anvil)
				return status.Error(codes.ResourceExhausted, "no room")
			},
			"", status.New(codes.ResourceExhausted, "no room"),
		},
		{
			"does without it",
			func(ctx context.Context, failing, fine inventoryv1.InventoryClient) error {
				_, _ = failing.Get(ctx, anvil)
				_, err := fine.Get(ctx, anvil)
				return err
			},
			"", status.New(codes.OK, ""),
		},
		{
			"calls from a goroutine that outlives its context",
			func(ctx context.Context, failing, _ inventoryv1.InventoryClient) error {
				got := make(chan error)
				go func() {
					_, err := failing.Get(context.WithoutCancel(ctx), anvil)
					got <- err
				}()
				return <-got
			},
			"-1", nil,
		},
		{
			"calls with a context of its own",
			func(_ context.Context, failing, _ inventoryv1.InventoryClient) error {
				_, err := failing.Get(context.Background(), anvil)
				return err
			},
			"-1", nil,
		},
		{
			"has a pushback of its own",
			func(ctx context.Context, failing, _ inventoryv1.InventoryClient) error {
				_ = grpc.SetTrailer(ctx, metadata.Pairs(pushback, "250"))
				_, err := failing.Get(ctx, anvil)
				return err
			},
			"250", nil,
		},
		{
			"calls nobody",
			func(context.Context, inventoryv1.InventoryClient, inventoryv1.InventoryClient) error {
				return unavailable
			},
			"", status.New(codes.Unavailable, "the disk is on fire"),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				n.serve("failing", surefootService(t), &tier{get: fails(-1, unavailable)})
				n.serve("fine", surefootService(t), &tier{})
				failing, fine := n.client([]string{"failing"}), n.client([]string{"fine"})
				top := &tier{}
				top.get = func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					return &inventoryv1.GetResponse{}, c.handle(ctx, failing, fine)
				}
				n.serve("top", surefootService(t), top)
				var trailer metadata.MD
				_, err := n.plainClient([]string{"top"}).Get(t.Context(), anvil, grpc.Trailer(&trailer))
				if got := strings.Join(trailer.Get(pushback), " "); got != c.want {
					t.Errorf("pushback %q, want %q", got, c.want)
				}
				if c.status != nil && !equal(status.Convert(err), c.status) {
					t.Errorf("status %v, want %v", status.Convert(err), c.status)
				}
			})
		})
	}
}

// equal compares statuses; a CallError adds its story to the message alone.
func equal(got, want *status.Status) bool {
	return got.Code() == want.Code() && strings.HasPrefix(got.Message(), want.Message()) &&
		len(got.Details()) == len(want.Details())
}

// What is final by its nature is for those above to judge.
func TestTheAnswerToAFailureThatIsFinal(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []surefoot.ClientOption
		get  func(context.Context, inventoryv1.InventoryClient) error
		want string
	}{
		{"an unsafe method", nil, func(ctx context.Context, below inventoryv1.InventoryClient) error {
			_, err := below.Reserve(ctx, &inventoryv1.ReserveRequest{})
			return err
		}, ""},
		{"repeats are off", []surefoot.ClientOption{once()}, func(ctx context.Context, below inventoryv1.InventoryClient) error {
			_, err := below.Get(ctx, anvil)
			return err
		}, ""},
		{"the same with repeats", nil, func(ctx context.Context, below inventoryv1.InventoryClient) error {
			_, err := below.Get(ctx, anvil)
			return err
		}, "-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				n.serve("bottom", surefootService(t), &tier{get: fails(-1, unavailable), reserve: func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
					return nil, unavailable
				}})
				below := n.client([]string{"bottom"}, c.opts...)
				n.serve("top", surefootService(t), &tier{get: func(ctx context.Context, _ *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					return nil, c.get(ctx, below)
				}})
				var trailer metadata.MD
				_, err := n.plainClient([]string{"top"}).Get(t.Context(), anvil, grpc.Trailer(&trailer))
				if got := strings.Join(trailer.Get(pushback), " "); got != c.want || status.Code(err) != codes.Unavailable {
					t.Errorf("pushback %q, want %q; %v", got, c.want, err)
				}
			})
		})
	}
}

// A stream that fails because of a call is answered as a unary call is.
func TestAStreamIsAnsweredToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		n.serve("bottom", surefootService(t), &tier{get: fails(-1, unavailable)})
		below := n.client([]string{"bottom"})
		n.serve("top", surefootService(t), &tier{watch: func(_ *inventoryv1.WatchRequest, s inventoryv1.Inventory_WatchServer) error {
			if err := s.Send(&inventoryv1.WatchResponse{Revision: 1}); err != nil {
				return err
			}
			_, err := below.Get(s.Context(), anvil)
			return err
		}})
		stream, err := n.plainClient([]string{"top"}).Watch(t.Context(), &inventoryv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = stream.Recv()
		}
		if got := stream.Trailer().Get(pushback); status.Code(err) != codes.Unavailable || len(got) != 1 || got[0] != "-1" {
			t.Errorf("%v, pushback %q", err, got)
		}
	})
}

// The breaker of the middle holds calls back. That is an answer for those above
// too, and the limit of calls in flight is not.
func TestTheAnswerOfABreaker(t *testing.T) {
	for _, c := range []struct {
		name    string
		breaker *surefootv1.Breaker
		warm    int
		want    string
	}{
		{"open", &surefootv1.Breaker{ConsecutiveFailures: new(int32(3))}, 10, "-1"},
		{"full", &surefootv1.Breaker{MaxInFlight: new(int32(1))}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.close()
				release := make(chan struct{})
				bottom := &tier{get: func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					if r.GetSku() == "slow" {
						<-release
					}
					return nil, unavailable
				}}
				n.serve("bottom", surefootService(t), bottom)
				below := n.client([]string{"bottom"}, contractOf(&surefootv1.Method{Breaker: c.breaker}))
				n.serve("top", surefootService(t), &tier{below: below})
				client := n.plainClient([]string{"top"})
				for range c.warm {
					_, _ = client.Get(t.Context(), anvil)
				}
				var slow sync.WaitGroup
				slow.Go(func() { _, _ = below.Get(t.Context(), &inventoryv1.GetRequest{Sku: "slow"}) })
				synctest.Wait()
				before := bottom.gets.Load()
				var trailer metadata.MD
				_, err := client.Get(t.Context(), anvil, grpc.Trailer(&trailer))
				if got := strings.Join(trailer.Get(pushback), " "); got != c.want || !strings.Contains(status.Convert(err).Message(), "was not called") {
					t.Errorf("pushback %q, want %q; %v", got, c.want, err)
				}
				if bottom.gets.Load() != before {
					t.Error("the call was made")
				}
				close(release)
				slow.Wait()
			})
		})
	}
}

// A server that knows nothing of Surefoot stands in the middle, and clients that
// do not above it: nothing breaks, and the answer reaches grpc-go's own retries.
func TestOthersInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		bottom, middle, top := &tier{get: fails(-1, unavailable)}, &tier{}, &tier{}
		n.serve("bottom", surefootService(t), bottom)
		middle.below = n.client([]string{"bottom"})
		n.serve("middle", plainService(), middle)
		top.below = n.client([]string{"middle"})
		n.serve("top", surefootService(t), top)
		client := n.plainClient([]string{"top"}, grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {
			"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`))
		for range 10 {
			if _, err := client.Get(t.Context(), anvil); status.Code(err) != codes.Unavailable {
				t.Fatal(err)
			}
		}
		if got := top.gets.Load(); got != 10 {
			t.Errorf("grpc-go made %d attempts of 10 calls", got)
		}
		if _, err := client.Get(metadata.AppendToOutgoingContext(t.Context(), previous, "1"), anvil); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
		if got := middle.seen(repeated); got[len(got)-1] != "1" {
			t.Errorf("the mark in the middle: %q", got)
		}
		if got := bottom.seen(repeated); got[len(got)-1] != "" {
			t.Errorf("the mark at the bottom, past a server that does not pass it on: %q", got)
		}
	})
}

// The error of a client that serves nobody says it to the program.
func TestACallErrorSaysThatARepeatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		bottom := &tier{get: fails(-1, unavailable)}
		n.serve("bottom", surefootService(t), bottom)
		_, err := n.client([]string{"bottom"}).Get(t.Context(), anvil)
		var ce *surefoot.CallError
		if !errors.As(err, &ce) || !ce.RepeatRefused() {
			t.Errorf("%v", err)
		}
		bottom.get = fails(-1, status.Error(codes.NotFound, "no anvil"))
		_, err = n.client([]string{"bottom"}).Get(t.Context(), anvil)
		if !errors.As(err, &ce) || ce.RepeatRefused() {
			t.Errorf("%v", err)
		}
	})
}

// A server in the middle that cannot reach what its peers reach answers for a fault
// that is its own. It is found among its peers.
func TestAServerThatAloneAnswersForOthersIsEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		n.serve("broken", surefootService(t), &tier{get: fails(-1, unavailable)})
		n.serve("fine", surefootService(t), &tier{})
		cut := &tier{below: n.client([]string{"broken"})}
		n.serve("top0", surefootService(t), cut)
		for _, name := range []string{"top1", "top2", "top3"} {
			n.serve(name, surefootService(t), &tier{below: n.client([]string{"fine"})})
		}
		client := n.client([]string{"top0", "top1", "top2", "top3"})
		const perSecond = 100
		run := func(seconds int) (failed int) {
			for range perSecond * seconds {
				if _, err := client.Get(t.Context(), anvil); err != nil {
					failed++
				}
				pass(t, time.Second/perSecond)
			}
			return failed
		}
		t.Logf("%d calls failed until it was found", run(3))
		before := cut.gets.Load()
		failed := run(10)
		if share := float64(cut.gets.Load()-before) / (10 * perSecond); share > 0.01 {
			t.Errorf("it still gets %.1f %% of the calls, %d failed", 100*share, failed)
		}
	})
}
