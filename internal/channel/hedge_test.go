package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

const hedgeDelay = 20 * time.Millisecond

// hedging returns an option that has calls of Get hedged after hedgeDelay, and
// that changes the rest of the contract.
func hedging(change func(s *surefootv1.Service, m *surefootv1.Method)) surefoot.ClientOption {
	s := &surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100)), MinPerSecond: new(int32(100))}}
	m := &surefootv1.Method{
		AttemptTimeoutMs: new(int64(0)),
		Hedge:            &surefootv1.Hedge{DelayMs: new(hedgeDelay.Milliseconds())},
	}
	if change != nil {
		change(s, m)
	}
	return contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: m}}, s)
}

// A stage is what servers do in a test: it is asked for each attempt of a call
// for "it", in the order in which they arrive, from 1.
type stage struct {
	arrived   atomic.Int64
	cancelled atomic.Int64 // handlers whose context was done before they were
	play      func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error)
}

func (st *stage) setup(s *server) {
	s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
		if r.GetSku() != "it" {
			return &inventoryv1.GetResponse{}, nil
		}
		return st.play(ctx, st.arrived.Add(1), s)
	}
}

// answer answers after d, unless the caller gives up.
func (st *stage) answer(ctx context.Context, s *server, d time.Duration) (*inventoryv1.GetResponse, error) {
	select {
	case <-ctx.Done():
		st.cancelled.Add(1)
		return nil, ctx.Err()
	case <-time.After(d):
		return &inventoryv1.GetResponse{Server: s.name, Sku: fmt.Sprint(d)}, nil
	}
}

var it = &inventoryv1.GetRequest{Sku: "it"}

// told returns what is known of the attempts of the last call.
func (w *world) told() (verdicts []string, last observe.Call) {
	calls, _ := w.seen()
	last = calls[len(calls)-1]
	for i, a := range last.Attempts {
		if a.Number != i+1 {
			w.t.Errorf("attempt %d is told as the %dth", a.Number, i+1)
		}
		verdicts = append(verdicts, a.Verdict)
	}
	return verdicts, last
}

func TestAHedgeAnswersForASlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		var previous []string
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if n == 1 {
				return st.answer(ctx, s, time.Hour)
			}
			md, _ := metadata.FromIncomingContext(ctx)
			previous = md.Get("grpc-previous-rpc-attempts")
			return st.answer(ctx, s, time.Millisecond)
		}
		w := newWorld(t, 3, st.setup, hedging(nil))
		defer w.close()
		w.warm()
		start := time.Now()
		r, err := w.stub.Get(t.Context(), it)
		if err != nil || r.GetSku() != "1ms" {
			t.Fatalf("%v, %v", r, err)
		}
		if took := time.Since(start); took != hedgeDelay+time.Millisecond {
			t.Errorf("took %v", took)
		}
		verdicts, last := w.told()
		if !slices.Equal(verdicts, []string{"abandoned", "success"}) || last.Attempts[0].Endpoint == last.Attempts[1].Endpoint {
			t.Errorf("%+v", last.Attempts)
		}
		if first := last.Attempts[0]; first.Next != "another attempt ended the call" || first.Duration != hedgeDelay+time.Millisecond {
			t.Errorf("the first attempt: %+v", first)
		}
		if got := last.Attempts[1].Start.Sub(last.Start); got != hedgeDelay {
			t.Errorf("the hedge started after %v", got)
		}
		if !slices.Equal(previous, []string{"1"}) {
			t.Errorf("previous attempts %q", previous)
		}
		synctest.Wait()
		if st.cancelled.Load() != 1 {
			t.Error("the server of the loser was not told")
		}
	})
}

// The first attempt is made on the caller's goroutine, where its profile, its labels
// and its panics belong; a hedge has one of its own.
func TestTheFirstAttemptIsMadeOnTheCallersGoroutine(t *testing.T) {
	goroutine := func() string {
		b := make([]byte, 64)
		id, _, _ := strings.Cut(string(b[:runtime.Stack(b, false)]), "[")
		return id
	}
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			return st.answer(ctx, s, map[int64]time.Duration{1: time.Hour}[n])
		}
		var mu sync.Mutex
		var on []string
		w := newWorld(t, 3, st.setup, hedging(nil), surefoot.WithAttemptInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				mu.Lock()
				on = append(on, goroutine())
				mu.Unlock()
				return invoker(ctx, method, req, reply, cc, opts...)
			}, nil))
		defer w.close()
		w.warm()
		on = nil
		if _, err := w.stub.Get(t.Context(), it); err != nil {
			t.Fatal(err)
		}
		if len(on) != 2 || on[0] != goroutine() || on[1] == on[0] {
			t.Errorf("attempts on %q, called on %q", on, goroutine())
		}
	})
}

func TestTheFirstAttemptMayStillWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			return st.answer(ctx, s, map[int64]time.Duration{1: 30 * time.Millisecond, 2: time.Hour}[n])
		}
		w := newWorld(t, 3, st.setup, hedging(nil))
		defer w.close()
		w.warm()
		start := time.Now()
		r, err := w.stub.Get(t.Context(), it)
		if took := time.Since(start); err != nil || r.GetSku() != "30ms" || took != 30*time.Millisecond {
			t.Fatalf("%v, %v after %v", r, err, took)
		}
		if verdicts, last := w.told(); !slices.Equal(verdicts, []string{"success", "abandoned"}) {
			t.Errorf("%+v", last.Attempts)
		}
		synctest.Wait()
		if st.cancelled.Load() != 1 {
			t.Error("the server of the loser was not told")
		}
	})
}

// What a fast call costs is a timer that never rings.
func TestFastCallsAreNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			return st.answer(ctx, s, hedgeDelay-time.Millisecond)
		}
		w := newWorld(t, 3, st.setup, hedging(nil))
		defer w.close()
		w.warm()
		for range 50 {
			if _, err := w.stub.Get(t.Context(), it); err != nil {
				t.Fatal(err)
			}
		}
		if n := st.arrived.Load(); n != 50 {
			t.Errorf("%d attempts for 50 calls", n)
		}
	})
}

func TestHedgesAreNotStarted(t *testing.T) {
	for _, c := range []struct {
		name    string
		servers int
		change  func(*surefootv1.Service, *surefootv1.Method)
		opts    []grpc.CallOption
	}{
		{"on the endpoint that is tried", 1, nil, nil},
		{"without budget", 3, func(s *surefootv1.Service, _ *surefootv1.Method) {
			s.RetryBudget = &surefootv1.RetryBudget{RatioPercent: new(int32(0)), MinPerSecond: new(int32(0))}
		}, nil},
		{"beyond the extra load", 3, func(_ *surefootv1.Service, m *surefootv1.Method) { m.Hedge.ExtraLoadPercent = new(int32(1)) }, nil},
		{"if a caller wants none", 3, nil, []grpc.CallOption{call.NoHedge()}},
		{"if a caller wants one attempt", 3, nil, []grpc.CallOption{call.NoRetry()}},
		{"while none is asked for", 3, func(_ *surefootv1.Service, m *surefootv1.Method) { m.Hedge.MaxHedges = new(int32(0)) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var st stage
				st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
					return st.answer(ctx, s, 200*time.Millisecond)
				}
				w := newWorld(t, c.servers, st.setup, hedging(c.change))
				defer w.close()
				w.warm()
				if _, err := w.stub.Get(t.Context(), it, c.opts...); err != nil {
					t.Fatal(err)
				}
				if n := st.arrived.Load(); n != 1 {
					t.Errorf("%d attempts", n)
				}
			})
		})
	}
}

// The options of a call are filled by the attempt that has won, and once.
func TestOptionsOfAHedgedCallAreTheWinners(t *testing.T) {
	for _, winner := range []int64{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				_ = grpc.SendHeader(ctx, metadata.Pairs("attempt", fmt.Sprint(n)))
				_ = grpc.SetTrailer(ctx, metadata.Pairs("attempt", fmt.Sprint(n)))
				if n == winner {
					return st.answer(ctx, s, hedgeDelay+time.Millisecond)
				}
				return st.answer(ctx, s, time.Hour)
			}
			w := newWorld(t, 3, st.setup, hedging(nil))
			defer w.close()
			w.warm()
			var (
				header, trailer metadata.MD
				p               peer.Peer
				finished        []error
			)
			r, err := w.stub.Get(t.Context(), it, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p),
				grpc.OnFinish(func(err error) { finished = append(finished, err) }))
			if err != nil || r.GetSku() != "21ms" {
				t.Fatal(r, err)
			}
			want := []string{fmt.Sprint(winner)}
			if !slices.Equal(header.Get("attempt"), want) || !slices.Equal(trailer.Get("attempt"), want) || p.Addr == nil {
				t.Errorf("header %v, trailer %v, peer %v: want those of attempt %d", header, trailer, p.Addr, winner)
			}
			if len(finished) != 1 || finished[0] != nil {
				t.Errorf("OnFinish ran %d times: %v", len(finished), finished)
			}
		})
	}
}

// Nothing reads the request, or writes the reply, once the call has returned.
func TestMessagesAreTheCallersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			return st.answer(ctx, s, time.Duration(rand.Int64N(int64(2*hedgeDelay))))
		}
		w := newWorld(t, 3, st.setup, hedging(nil))
		defer w.close()
		w.warm()
		request, reply := &inventoryv1.GetRequest{}, &inventoryv1.GetResponse{}
		for range 200 {
			request.Sku = "it"
			if err := w.client.Invoke(t.Context(), "/inventory.v1.Inventory/Get", request, reply); err != nil {
				t.Fatal(err)
			}
			request.Sku, reply.Sku = "mine", "mine" // a race, if anybody looks
		}
	})
}

func TestManyHedgedCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if rand.IntN(10) == 0 {
				return nil, status.Error(codes.Unavailable, "not now")
			}
			return st.answer(ctx, s, time.Duration(rand.Int64N(int64(3*hedgeDelay))))
		}
		w := newWorld(t, 5, st.setup, hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
			m.Hedge.MaxHedges = new(int32(2))
			m.Retry = &surefootv1.Retry{MaxAttempts: new(int32(6))}
			m.AttemptTimeoutMs = new(int64(50))
		}), unguarded())
		defer w.close()
		w.warm()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					_, err := w.stub.Get(t.Context(), it)
					// One call of some thousand meets a failure in each of its attempts.
					if story, ok := errors.AsType[*surefoot.CallError](err); err != nil && (!ok || len(story.Call.Attempts) < 6) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// Each attempt that was told of is one that was made, and starts no earlier
		// than those before it.
		calls, attempts := w.seen()
		told := 0
		for _, c := range calls {
			told += len(c.Attempts)
			for i, a := range c.Attempts {
				if a.Number != i+1 || i > 0 && a.Start.Before(c.Attempts[i-1].Start) {
					t.Fatalf("%+v", c.Attempts)
				}
			}
		}
		if told != len(attempts) || int64(told) < st.arrived.Load() {
			t.Errorf("calls tell of %d attempts, the hook of %d, the servers of %d", told, len(attempts), st.arrived.Load())
		}
	})
}

// Each attempt that is told of began once, ended once, and is one stream that a
// server saw: hedges, repeats and attempts that were given up.
func TestAttemptsOfHedgedCallsAreStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		var streams, begun, hedged, timedOut, failed atomic.Int64
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			// Never at the time at which a hedge starts: one that is cancelled before
			// it has a stream is an attempt without one.
			d := time.Duration(rand.IntN(100))*time.Millisecond + 370*time.Microsecond
			r, err := st.answer(ctx, s, d)
			switch how := rand.IntN(10); {
			case err == nil && how == 0:
				return nil, status.Error(codes.Unavailable, "not now")
			case err == nil && how == 1:
				return nil, status.Error(codes.Internal, "broken")
			default:
				return r, err
			}
		}
		w := newWorld(t, 6, func(s *server) {
			st.setup(s)
			s.options = []grpc.ServerOption{grpc.InTapHandle(func(ctx context.Context, _ *tap.Info) (context.Context, error) {
				streams.Add(1)
				return ctx, nil
			})}
		}, hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
			m.Hedge.MaxHedges, m.AttemptTimeoutMs = new(int32(2)), new(int64(70))
			m.Retry = &surefootv1.Retry{MaxAttempts: new(int32(5))}
		}), surefoot.WithHouseDefaults(&surefootv1.Service{
			Connection: &surefootv1.Connection{Liveness: &surefootv1.Liveness{Off: new(true)}},
			Defaults:   &surefootv1.Method{Breaker: &surefootv1.Breaker{Off: new(true)}},
			Balance:    &surefootv1.Balance{Ejection: &surefootv1.Ejection{Off: new(true)}},
		}), surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) { begun.Add(1) }}))
		defer w.close()
		w.warm()
		streams.Store(0)
		begun.Store(0)
		for range 300 {
			_, _ = w.stub.Get(t.Context(), it)
		}
		synctest.Wait()
		calls, attempts := w.seen()
		told := 0
		for _, c := range calls {
			told += len(c.Attempts)
		}
		for _, a := range attempts {
			switch a.Verdict {
			case "abandoned":
				hedged.Add(1)
			case "timeout":
				timedOut.Add(1)
			case "fault", "broken":
				failed.Add(1)
			}
		}
		if n := int64(len(attempts)); n != streams.Load() || n != begun.Load() || n != int64(told) {
			t.Errorf("%d attempts have ended, %d begun, calls tell of %d; servers saw %d streams", n, begun.Load(), told, streams.Load())
		}
		if hedged.Load() == 0 || timedOut.Load() == 0 || failed.Load() == 0 {
			t.Errorf("%d lost, %d timed out, %d failed", hedged.Load(), timedOut.Load(), failed.Load())
		}
	})
}

func TestWhatEndsACallEndsItsAttempts(t *testing.T) {
	for _, c := range []struct {
		name    string
		end     func(ctx context.Context, w *world) context.Context
		want    codes.Code
		verdict string
	}{
		{"the caller", func(ctx context.Context, _ *world) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(100*time.Millisecond, cancel)
			return ctx
		}, codes.Canceled, "abandoned"},
		{"the context's deadline", func(ctx context.Context, _ *world) context.Context {
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			time.AfterFunc(time.Second, cancel)
			return ctx
		}, codes.DeadlineExceeded, "expired"},
		{"the contract's deadline", func(ctx context.Context, _ *world) context.Context { return ctx }, codes.DeadlineExceeded, "expired"},
		{"the owner of the client", func(ctx context.Context, w *world) context.Context {
			time.AfterFunc(100*time.Millisecond, func() { _ = w.client.Close() })
			return ctx
		}, codes.Canceled, "local"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var st stage
				st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
					return st.answer(ctx, s, time.Hour)
				}
				w := newWorld(t, 4, st.setup, hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
					m.Hedge.MaxHedges, m.DeadlineMs = new(int32(2)), new(int64(200))
				}), trusting())
				w.warm()
				start := time.Now()
				_, err := w.stub.Get(c.end(t.Context(), w), it)
				if took := time.Since(start); status.Code(err) != c.want || took > 200*time.Millisecond {
					t.Errorf("%v after %v, want %v", err, took, c.want)
				}
				_, last := w.told()
				if st.arrived.Load() != 3 || len(last.Attempts) != 3 {
					t.Errorf("%d attempts, of which are told %+v", st.arrived.Load(), last.Attempts)
				}
				if last.Verdict != c.verdict {
					t.Errorf("the call ended as %q, want %q: %+v", last.Verdict, c.verdict, last.Attempts)
				}
				synctest.Wait()
				if st.cancelled.Load() != 3 {
					t.Errorf("%d of 3 handlers were told", st.cancelled.Load())
				}
				_ = w.client.Close()
				for _, s := range w.servers {
					s.grpc.Stop()
				}
			})
		})
	}
}

// A hedge never makes a call worse.
func TestAHedgeThatFailsEndsNothing(t *testing.T) {
	for _, failure := range []codes.Code{codes.Internal, codes.Unavailable, codes.Unimplemented, codes.ResourceExhausted, codes.Aborted} {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				if n == 1 {
					return st.answer(ctx, s, 2*hedgeDelay)
				}
				return nil, status.Error(failure, "the hedge")
			}
			w := newWorld(t, 3, st.setup, hedging(nil))
			defer w.close()
			w.warm()
			if r, err := w.stub.Get(t.Context(), it); err != nil || r.GetSku() != "40ms" {
				t.Errorf("%v: %v, %v", failure, r, err)
			}
			if verdicts, last := w.told(); len(verdicts) != 2 || last.Attempts[1].Next != "other attempts go on" {
				t.Errorf("%v: %+v", failure, last.Attempts)
			}
		})
	}
}

func TestAnAnswerOfAHedgeIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if n == 1 {
				return st.answer(ctx, s, time.Hour)
			}
			return nil, status.Error(codes.NotFound, "no such thing")
		}
		w := newWorld(t, 3, st.setup, hedging(nil))
		defer w.close()
		w.warm()
		_, err := w.stub.Get(t.Context(), it)
		if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "no such thing" {
			t.Error(err)
		}
		verdicts, last := w.told()
		if !slices.Equal(verdicts, []string{"abandoned", "answer"}) {
			t.Errorf("%+v", last.Attempts)
		}
		var story *surefoot.CallError
		if !errors.As(err, &story) || len(story.Call.Attempts) != 2 {
			t.Errorf("%v tells of no two attempts", err)
		}
	})
}

// The hedge that outlives the first attempt is its repeat, and is waited for as
// long as an attempt takes before a hedge; then the repeat starts beside it.
func TestTheRepeatOfAHedgedAttempt(t *testing.T) {
	t.Run("is the hedge", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				if n == 1 {
					<-time.After(30 * time.Millisecond)
					return nil, status.Error(codes.Unavailable, "down")
				}
				return st.answer(ctx, s, 25*time.Millisecond)
			}
			w := newWorld(t, 4, st.setup, hedging(nil))
			defer w.close()
			w.warm()
			start := time.Now()
			if _, err := w.stub.Get(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			verdicts, last := w.told()
			if took := time.Since(start); took != 45*time.Millisecond || !slices.Equal(verdicts, []string{"fault", "success"}) {
				t.Errorf("%+v after %v", last.Attempts, took)
			}
		})
	})
	t.Run("starts beside a silent hedge", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				switch n {
				case 1:
					<-time.After(30 * time.Millisecond)
					return nil, status.Error(codes.Unavailable, "down")
				case 2:
					return st.answer(ctx, s, time.Hour)
				default:
					return st.answer(ctx, s, time.Millisecond)
				}
			}
			w := newWorld(t, 4, st.setup, hedging(nil))
			defer w.close()
			w.warm()
			start := time.Now()
			if _, err := w.stub.Get(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			verdicts, last := w.told()
			// Two have been made, so that a backoff of up to 25ms is due as well.
			if took := time.Since(start); took < 51*time.Millisecond || took > 56*time.Millisecond || !slices.Equal(verdicts, []string{"fault", "abandoned", "success"}) {
				t.Errorf("%+v after %v", last.Attempts, took)
			}
			endpoints := map[string]bool{}
			for _, a := range last.Attempts {
				endpoints[a.Endpoint] = true
			}
			if len(endpoints) != 3 {
				t.Errorf("%+v", last.Attempts)
			}
		})
	})
	for name, back := range map[string]bool{"waits beside the hedge while no endpoint is ready": false, "starts beside the hedge once one is": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var st stage
				st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
					switch n {
					case 1: // dies
						time.AfterFunc(30*time.Millisecond, s.kill)
						if back {
							time.AfterFunc(300*time.Millisecond, s.start)
						}
					case 2: // takes nothing new
						time.AfterFunc(5*time.Millisecond, s.grpc.GracefulStop)
					default:
						return st.answer(ctx, s, 0)
					}
					return st.answer(ctx, s, time.Second)
				}
				w := newWorld(t, 2, st.setup, hedging(nil), trusting())
				defer w.close()
				w.warm()
				start := time.Now()
				r, err := w.stub.Get(t.Context(), it)
				if err != nil {
					t.Fatal(err)
				}
				verdicts, last := w.told()
				want := []string{"lost", "success"}
				if back {
					want = []string{"lost", "abandoned", "success"}
				}
				if !slices.Equal(verdicts, want) || (time.Since(start) < time.Second) != back {
					t.Errorf("%v from %s after %v: %d attempts, %+v", err, r.GetServer(), time.Since(start), len(last.Attempts)+last.Omitted, last.Attempts)
				}
			})
		})
	}
	t.Run("is cancelled at once if the hedge has answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				switch n {
				case 1:
					<-time.After(30 * time.Millisecond)
					return nil, status.Error(codes.Unavailable, "down")
				case 2:
					return st.answer(ctx, s, 80*time.Millisecond)
				default:
					return st.answer(ctx, s, time.Hour)
				}
			}
			w := newWorld(t, 4, st.setup, hedging(nil), surefoot.WithObserver(&observe.Observer{
				AttemptStart: func(_ context.Context, _ string, number int) {
					if number == 3 { // it is about to be made, and its caller is slow
						<-time.After(100 * time.Millisecond)
					}
				},
			}))
			defer w.close()
			w.warm()
			start := time.Now()
			r, err := w.stub.Get(t.Context(), it)
			if took := time.Since(start); err != nil || r.GetSku() != "80ms" || took > 200*time.Millisecond {
				t.Errorf("%v, %v after %v", r, err, took)
			}
			if verdicts, last := w.told(); !slices.Equal(verdicts, []string{"fault", "success", "abandoned"}) {
				t.Errorf("%+v", last.Attempts)
			}
		})
	})
	t.Run("follows when both have failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				if n <= 2 { // the hedge sooner than the repeat would start beside it
					<-time.After(time.Duration(35-5*n) * time.Millisecond)
					return nil, status.Error(codes.Unavailable, "down")
				}
				return st.answer(ctx, s, 0)
			}
			w := newWorld(t, 4, st.setup, hedging(nil))
			defer w.close()
			w.warm()
			if _, err := w.stub.Get(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			if verdicts, last := w.told(); !slices.Equal(verdicts, []string{"fault", "fault", "success"}) {
				t.Errorf("%+v", last.Attempts)
			}
		})
	})
}

// Who loses has not failed, and unless it had taken longer by then than what is
// slow it may be as fast as the others: no endpoint is ejected, and no breaker opens.
func TestTheLoserCountsAgainstNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if s.name == "b" {
				return st.answer(ctx, s, time.Hour)
			}
			return st.answer(ctx, s, 15*time.Millisecond)
		}
		w := newWorld(t, 4, st.setup, hedging(nil), trusting())
		defer w.close()
		w.warm()
		for range 400 {
			if _, err := w.stub.Get(t.Context(), it); err != nil {
				t.Fatal(err)
			}
		}
		if n := st.cancelled.Load(); n < 50 {
			t.Errorf("only %d attempts lost", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.changes {
			if c.To == "ejected" || c.To == "suspect" {
				t.Errorf("%+v", c)
			}
		}
		if len(w.breakers) > 0 {
			t.Errorf("%+v", w.breakers)
		}
	})
}

// One node of ten is slow. A tail of one in ten becomes what the extra load
// pays for, and the extra load is what is stated.
func TestHedgesCutTheTailForTheStatedLoad(t *testing.T) {
	tail := func(t *testing.T, load int32) (p99 time.Duration, attempts float64) {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			random := rand.New(rand.NewPCG(1, uint64(load)))
			var mu sync.Mutex
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				mu.Lock()
				d := time.Millisecond + time.Duration(random.Int64N(int64(4*time.Millisecond)))
				if random.IntN(100) < 3 { // wherever it is handled
					d = 500 * time.Millisecond
				}
				mu.Unlock()
				return st.answer(ctx, s, d)
			}
			w := newWorld(t, 10, st.setup, hedging(func(s *surefootv1.Service, m *surefootv1.Method) {
				s.RetryBudget = nil // the house default pays for it
				m.Hedge = &surefootv1.Hedge{ExtraLoadPercent: new(load)}
				if load == 0 {
					m.Hedge = nil
				}
			}), trusting())
			defer w.close()
			w.warm()
			var mu2 sync.Mutex
			var took []time.Duration
			var wg sync.WaitGroup
			const n, learning = 3000, 1000
			for i := range n {
				if i == learning {
					st.arrived.Store(0)
				}
				wg.Go(func() {
					start := time.Now()
					if _, err := w.stub.Get(t.Context(), it); err != nil {
						t.Error(err)
					}
					if i >= learning {
						mu2.Lock()
						took = append(took, time.Since(start))
						mu2.Unlock()
					}
				})
				time.Sleep(5 * time.Millisecond)
			}
			wg.Wait()
			slices.Sort(took)
			p99, attempts = took[len(took)*99/100], float64(st.arrived.Load())/float64(len(took))
		})
		return p99, attempts
	}
	plain, _ := tail(t, 0)
	hedged, attempts := tail(t, 5)
	t.Logf("p99 %v, hedged %v for %.3f attempts per call", plain, hedged, attempts)
	if plain < 500*time.Millisecond || hedged > plain/2 {
		t.Errorf("p99 %v, hedged %v", plain, hedged)
	}
	if attempts > 1.05 || attempts < 1.02 {
		t.Errorf("%.3f attempts per call", attempts)
	}
}

func TestPushbackStopsHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if n == 2 {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
				return nil, status.Error(codes.Unavailable, "enough")
			}
			return st.answer(ctx, s, 200*time.Millisecond)
		}
		w := newWorld(t, 4, st.setup, hedging(func(_ *surefootv1.Service, m *surefootv1.Method) {
			m.Hedge.MaxHedges, m.Retry = new(int32(3)), &surefootv1.Retry{MaxAttempts: new(int32(5))}
		}))
		defer w.close()
		w.warm()
		if _, err := w.stub.Get(t.Context(), it); err != nil {
			t.Fatal(err)
		}
		if n := st.arrived.Load(); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

// An interceptor that panics does so on the caller's goroutine, wherever its
// attempt runs, and after the other attempts have ended.
func TestPanicsOfAttemptsReachTheCaller(t *testing.T) {
	for _, inHedge := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var st stage
			st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
				return st.answer(ctx, s, time.Hour)
			}
			var attempts, ended atomic.Int64
			w := newWorld(t, 3, st.setup, hedging(nil), trusting(), surefoot.WithAttemptInterceptor(
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					r, _ := req.(*inventoryv1.GetRequest)
					if r.GetSku() != "it" {
						return invoker(ctx, method, req, reply, cc, opts...)
					}
					defer ended.Add(1)
					if hedge := attempts.Add(1) == 2; hedge != inHedge {
						return invoker(ctx, method, req, reply, cc, opts...)
					}
					<-time.After(2 * hedgeDelay)
					panic("an interceptor")
				}, nil))
			defer w.close()
			w.warm()
			func() {
				defer func() {
					if r := recover(); r != "an interceptor" {
						t.Errorf("in the hedge %v: recovered %v", inHedge, r)
					}
					if ended.Load() != 2 {
						t.Errorf("in the hedge %v: %d attempts have ended", inHedge, ended.Load())
					}
				}()
				_, err := w.stub.Get(t.Context(), it)
				t.Errorf("in the hedge %v: returned %v", inHedge, err)
			}()
			// What the call held is given back.
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Error(err)
			}
		})
	}
}

// A hook that panics before the first attempt leaves no timer behind.
func TestAPanicBeforeTheAttemptStartsNoHedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			return st.answer(ctx, s, time.Hour)
		}
		var armed atomic.Bool
		w := newWorld(t, 3, st.setup, hedging(nil), surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) {
			if armed.Load() {
				panic("a hook")
			}
		}}))
		defer w.close()
		w.warm()
		armed.Store(true)
		func() {
			defer func() {
				if r := recover(); r != "a hook" {
					t.Errorf("recovered %v", r)
				}
			}()
			_, _ = w.stub.Get(t.Context(), it)
		}()
		armed.Store(false)
		time.Sleep(10 * hedgeDelay) // virtual
		if n := st.arrived.Load(); n != 0 {
			t.Errorf("%d attempts of a call that has panicked", n)
		}
	})
}

func TestAHedgeThatExitsEndsTheCallersGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			return st.answer(ctx, s, time.Hour)
		}
		var attempts atomic.Int64
		w := newWorld(t, 3, st.setup, hedging(nil), trusting(), surefoot.WithAttemptInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				r, _ := req.(*inventoryv1.GetRequest)
				if r.GetSku() == "it" && attempts.Add(1) == 2 {
					runtime.Goexit()
				}
				return invoker(ctx, method, req, reply, cc, opts...)
			}, nil))
		defer w.close()
		w.warm()
		exited := make(chan bool)
		go func() {
			exits := true
			defer func() { exited <- exits }()
			_, _ = w.stub.Get(t.Context(), it)
			exits = false
		}()
		if !<-exited {
			t.Error("the call returned")
		}
	})
}

// A text is what a codec of the user makes of a reply.
type text struct{ Said string }

type textCodec struct{}

func (textCodec) Name() string { return "proto" }

func (textCodec) Marshal(any) ([]byte, error) { return []byte("\n\x02it"), nil }

func (textCodec) Unmarshal(b []byte, v any) error {
	switch v := v.(type) {
	case *text:
		v.Said = string(b)
	case *any:
		*v = string(b)
	}
	return nil
}

// A reply that is no protobuf message is hedged if another one is as good.
func TestRepliesOfOtherCodecs(t *testing.T) {
	empty := any(nil)
	for _, c := range []struct {
		name   string
		reply  any
		said   func(reply any) string
		hedged bool
	}{
		{"a pointer to a zero value", new(text), func(r any) string { return r.(*text).Said }, true},
		{"a pointer to an empty interface", &empty, func(r any) string { return (*r.(*any)).(string) }, true},
		{"a pointer to a value that was prepared", &text{Said: "?"}, func(r any) string { return r.(*text).Said }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var st stage
				st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
					return st.answer(ctx, s, map[int64]time.Duration{1: 100 * time.Millisecond}[n])
				}
				var mu sync.Mutex
				var problems []string
				w := newWorld(t, 3, st.setup, hedging(nil), surefoot.WithObserver(&observe.Observer{Problem: func(err error) {
					mu.Lock()
					defer mu.Unlock()
					problems = append(problems, err.Error())
				}}))
				defer w.close()
				w.warm()
				for range 2 {
					st.arrived.Store(0)
					err := w.client.Invoke(t.Context(), "/inventory.v1.Inventory/Get", it, c.reply, grpc.ForceCodec(textCodec{}))
					if err != nil {
						t.Fatal(err)
					}
					if n := st.arrived.Load(); (n == 2) != c.hedged {
						t.Errorf("%d attempts", n)
					}
					if said := c.said(c.reply); !strings.Contains(said, map[bool]string{true: "0s", false: "100ms"}[c.hedged]) {
						t.Errorf("said %q", said)
					}
					if c.hedged {
						break // the reply is not zero any more
					}
				}
				if want := map[bool]int{true: 0, false: 1}[c.hedged]; len(problems) != want {
					t.Errorf("problems: %q", problems)
				}
			})
		})
	}
}
