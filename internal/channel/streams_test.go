package channel_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A counter counts the streams of each attempt: on a client those that grpc-go
// created and how often it began by itself again, on a server those that came. An
// attempt is known by a number that it carries in a header.
type counter struct {
	mu   sync.Mutex
	last int
	of   map[string]*tally
}

// A tally is what was counted of one attempt.
type tally struct{ transparent, created, came int }

type tallyKey struct{}

// number is an interceptor that runs for each attempt.
func (c *counter) number(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c.mu.Lock()
	c.last++
	n := strconv.Itoa(c.last)
	c.tally(n)
	c.mu.Unlock()
	return invoker(metadata.AppendToOutgoingContext(ctx, "attempt", n), method, req, reply, cc, opts...)
}

// tally returns that of the attempt of this number. mu is held.
func (c *counter) tally(number string) *tally {
	t := c.of[number]
	if t == nil {
		if c.of == nil {
			c.of = make(map[string]*tally)
		}
		t = new(tally)
		c.of[number] = t
	}
	return t
}

func (c *counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	if len(md.Get("attempt")) == 0 {
		md, _ = metadata.FromIncomingContext(ctx)
	}
	if n := md.Get("attempt"); len(n) == 1 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return context.WithValue(ctx, tallyKey{}, c.tally(n[0]))
	}
	return ctx
}

func (c *counter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	t, ok := ctx.Value(tallyKey{}).(*tally)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := s.(type) {
	case *stats.Begin:
		if s.IsTransparentRetryAttempt {
			t.transparent++
		}
	case *stats.OutHeader:
		if s.IsClient() {
			t.created++
		}
	case *stats.InHeader:
		if !s.IsClient() {
			t.came++
		}
	}
}

// forget forgets what was counted.
func (c *counter) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.of = 0, nil
}

// A sum is what was counted of all attempts.
type sum struct {
	attempts, transparent, created, came int
	without                              int // attempts that have no stream
	repeated                             int // streams beside the first of an attempt
}

// sum returns what was counted, and which attempts have streams that nobody
// accounts for: each has one, and one more for each time that grpc-go began again.
func (c *counter) sum() (all sum, unaccounted []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, t := range c.of {
		all.attempts++
		all.transparent += t.transparent
		all.created += t.created
		all.came += t.came
		if t.created == 0 {
			all.without++
		}
		all.repeated += max(t.created-1, 0)
		if t.created > 1+t.transparent {
			unaccounted = append(unaccounted, fmt.Sprintf("attempt %s: %+v", n, *t))
		}
	}
	return all, unaccounted
}

func (*counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*counter) HandleConn(context.Context, stats.ConnStats)                       {}

// Attempts paid + transparent repeats = streams created, but for attempts that got
// no connection: attempt by attempt, as the calls' stories, grpc-go and the servers
// count them, while servers drain, die and come back.
func TestWhatIsPaidIsWhatTheServersCount(t *testing.T) {
	for seed := range uint64(6) {
		kills := seed%2 == 1
		synctest.Test(t, func(t *testing.T) {
			var client, servers counter
			rnd := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(t, 4, func(s *server) {
				s.options = append(s.options, grpc.StatsHandler(&servers))
				s.get = func(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					if r.GetSku() == "warm" {
						return &inventoryv1.GetResponse{}, nil
					}
					time.Sleep(time.Duration(rand.N(40)) * time.Millisecond)
					if rand.N(10) == 0 {
						return nil, status.Error(codes.Aborted, "again")
					}
					return &inventoryv1.GetResponse{}, nil
				}
			}, trusting(), surefoot.WithDialOptions(grpc.WithStatsHandler(&client)), surefoot.WithAttemptInterceptor(client.number, nil), contractOf(map[string]*surefootv1.MethodContract{
				"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(0)), DeadlineMs: new(int64(60_000))}},
			}, nil))
			defer w.close()
			w.warm()
			synctest.Wait()
			client.forget()
			servers.forget()

			const callers, each = 12, 40
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range each {
						_, _ = w.stub.Get(t.Context(), getRequest)
						_, _ = w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{})
						time.Sleep(time.Duration(rand.N(20)) * time.Millisecond)
					}
				})
			}
			for range 12 {
				time.Sleep(time.Duration(50+rnd.IntN(100)) * time.Millisecond)
				s := w.servers[rnd.IntN(len(w.servers))]
				if kills {
					s.kill()
				} else {
					s.grpc.GracefulStop() // GOAWAY
				}
				time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
				s.start()
			}
			wg.Wait()
			synctest.Wait()

			calls, attempts := w.seen()
			unsent, lost := 0, 0
			for _, a := range attempts {
				switch a.Verdict {
				case "unprocessed":
					unsent++
				case "lost":
					lost++
				}
			}
			made, came := len(attempts), 0
			counted, unaccounted := client.sum()
			for n, c := range client.of {
				came += servers.tally(n).came
				if got := servers.tally(n).came; got > c.created {
					t.Errorf("seed %d: attempt %s: %d streams came, %d were created", seed, n, got, c.created)
				}
			}
			t.Logf("seed %d: %d calls, %d attempts, %d unprocessed, %d lost; %+v, came %d", seed, len(calls), made, unsent, lost, counted, came)
			if len(calls) != 2*callers*each || counted.attempts != made || len(unaccounted) > 0 {
				t.Errorf("seed %d: %d calls, %d attempts in their stories, %+v; unaccounted for: %v", seed, len(calls), made, counted, unaccounted)
			}
			// An attempt without a stream has provably reached nobody.
			if counted.created != made-counted.without+counted.repeated || counted.without > unsent || counted.repeated > counted.transparent {
				t.Errorf("seed %d: %d attempts, %d unprocessed: %+v", seed, made, unsent, counted)
			}
			// What was lost may have been so before the server saw it.
			if came < counted.created-lost-counted.repeated {
				t.Errorf("seed %d: the servers counted %d streams, %d were created, %d lost", seed, came, counted.created, lost)
			}
			// Extra attempts are within the budget: a fifth, and one a second of the window.
			if extra := made - unsent - len(calls); extra > len(calls)/5+10 {
				t.Errorf("seed %d: %d attempts more than calls", seed, extra)
			}
			if made == len(calls) || kills && lost == 0 {
				t.Errorf("seed %d: nothing went wrong", seed)
			}
		})
	}
}
