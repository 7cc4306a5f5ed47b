package channel_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A counter counts the streams of one end: on a client those that were begun, by
// us or by grpc-go's own repeats, and those that were created; on a server those
// that came.
type counter struct {
	begun, transparent, created, came atomic.Int64
}

func (c *counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *counter) HandleRPC(_ context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.Begin:
		switch {
		case !s.IsClient():
		case s.IsTransparentRetryAttempt:
			c.transparent.Add(1)
		default:
			c.begun.Add(1)
		}
	case *stats.OutHeader:
		if s.IsClient() {
			c.created.Add(1)
		}
	case *stats.InHeader:
		if !s.IsClient() {
			c.came.Add(1)
		}
	}
}

func (*counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*counter) HandleConn(context.Context, stats.ConnStats)                       {}

// Attempts paid + transparent repeats = streams created, but for those that got
// no connection: counted by the engine's story, by grpc-go and by the servers,
// while servers drain, die and come back.
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
			}, trusting(), surefoot.WithDialOptions(grpc.WithStatsHandler(&client)), contractOf(map[string]*surefootv1.MethodContract{
				"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(0)), DeadlineMs: new(int64(60_000))}},
			}, nil))
			defer w.close()
			w.warm()
			synctest.Wait()
			client.begun.Store(0)
			client.transparent.Store(0)
			client.created.Store(0)
			servers.came.Store(0)

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
			unsent, lost := int64(0), int64(0)
			for _, a := range attempts {
				switch a.Verdict {
				case "unprocessed":
					unsent++
				case "lost":
					lost++
				}
			}
			made := int64(len(attempts))
			t.Logf("seed %d: %d calls, %d attempts, %d unprocessed, %d lost; created %d, repeated by grpc-go %d, came %d",
				seed, len(calls), made, unsent, lost, client.created.Load(), client.transparent.Load(), servers.came.Load())
			begun, created, came := client.begun.Load()+client.transparent.Load(), client.created.Load(), servers.came.Load()
			if len(calls) != 2*callers*each || begun < made {
				t.Errorf("seed %d: %d calls, %d attempts in their stories, grpc-go began %d", seed, len(calls), made, begun)
			}
			// What was begun has a stream, or there was no connection for it.
			if created > begun || unsent == 0 && begun == made && created != made {
				t.Errorf("seed %d: %d attempts, %d begun, %d created", seed, made, begun, created)
			}
			// What was lost may have been so before the server saw it.
			if came > created || came < created-lost {
				t.Errorf("seed %d: the servers counted %d streams, %d were created, %d lost", seed, came, created, lost)
			}
			// Extra attempts are within the budget: a fifth, and one a second of the window.
			if extra := made - unsent - int64(len(calls)); extra > int64(len(calls))/5+10 {
				t.Errorf("seed %d: %d attempts more than calls", seed, extra)
			}
			if made == int64(len(calls)) || kills && lost == 0 {
				t.Errorf("seed %d: nothing went wrong", seed)
			}
		})
	}
}
