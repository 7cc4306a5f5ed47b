package channel_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

var getRequest = &inventoryv1.GetRequest{Sku: "anvil"}

func TestCallsAreSpreadEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5, nil)
		defer w.close()
		w.warm()
		for range 500 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range w.servers {
			if n := s.gets.Load(); n != 100 {
				t.Errorf("server %s got %d of 500 calls, want 100", s.name, n)
			}
		}
	})
}

// A server is killed with calls in flight on it: each is made again on another
// server, and none fails.
func TestKilledServerFailsNoIdempotentCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, 3, func(s *server) {
			if s.name != "a" {
				return
			}
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() == "warm" {
					return &inventoryv1.GetResponse{}, nil
				}
				<-release
				return nil, errors.New("the reply of a dead server")
			}
		}, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(0))}}}, nil))
		defer w.close()
		defer close(release)
		w.warm()
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				r, err := w.stub.Get(t.Context(), getRequest)
				if err != nil || r.GetServer() == "a" {
					t.Errorf("got %v from %q", err, r.GetServer())
				}
			})
		}
		synctest.Wait()
		if n := w.servers[0].gets.Load(); n == 0 {
			t.Fatal("no call in flight on the server that is killed")
		}
		w.servers[0].kill()
		wg.Wait()
		_, attempts := w.seen()
		lost := 0
		for _, a := range attempts {
			if a.Verdict == "lost" {
				lost++
			}
		}
		if want := int(w.servers[0].gets.Load()); lost != want || len(attempts) != 30+want {
			t.Errorf("%d attempts, %d lost: want %d and %d", len(attempts), lost, 30+want, want)
		}
		calls, _ := w.seen()
		for _, c := range calls { // what was repaired has not failed
			if c.MayHaveBeenApplied || c.RepeatRefused {
				t.Errorf("a call that succeeded: %+v", c)
			}
		}
	})
}

// The write is applied and the server dies before it replies: the caller gets
// the error, told that the write may have been applied, and no second attempt.
func TestReserveIsNotRepeatedOnceItMayHaveBeenApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.reserve = func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				s.kill()
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		defer w.close()
		w.warm()
		_, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "anvil", Count: 1})
		var ce *surefoot.CallError
		if !errors.As(err, &ce) || status.Code(err) != codes.Unavailable || !ce.MayHaveBeenApplied() {
			t.Errorf("got %v, want UNAVAILABLE that may have been applied", err)
		}
		if len(ce.Call.Attempts) != 1 || ce.Call.Attempts[0].Verdict != "lost" || !ce.Call.Attempts[0].MayHaveBeenApplied {
			t.Errorf("attempts: %+v, want one, lost", ce.Call.Attempts)
		}
		applied := int64(0)
		for _, s := range w.servers {
			applied += s.applied.Load()
		}
		if applied != 1 {
			t.Errorf("applied %d times, want once", applied)
		}
	})
}

func TestAttemptTimeoutMovesACallToAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil, trusting())
		defer w.close()
		w.warm()
		w.servers[1].hang()
		slow := 0
		for range 9 {
			start := time.Now()
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took >= 250*time.Millisecond {
				slow++
				if took > 260*time.Millisecond {
					t.Errorf("took %v, want the attempt timeout of 250ms and little more", took)
				}
			}
		}
		// A repeat takes a turn too, so the hung server's comes round sooner.
		if slow < 3 || slow > 5 {
			t.Errorf("%d of 9 calls waited, want those whose turn was the hung server", slow)
		}
	})
}

// An attempt is not cancelled when nothing could take its place.
func TestAttemptTimeoutSparesTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() != "warm" {
					time.Sleep(600 * time.Millisecond)
				}
				return &inventoryv1.GetResponse{Server: s.name}, nil
			}
		})
		defer w.close()
		w.warm()
		start := time.Now()
		_, err := w.stub.Get(t.Context(), getRequest)
		if err != nil {
			t.Fatal(err)
		}
		_, attempts := w.seen()
		if len(attempts) != 3 || attempts[2].Verdict != "success" {
			t.Errorf("attempts %+v, want two time-outs and a success", attempts)
		}
		if took := time.Since(start); took < 1100*time.Millisecond {
			t.Errorf("took %v, want two attempt timeouts and a handler of 600ms", took)
		}
		seen := map[string]bool{}
		for _, a := range attempts {
			seen[a.Endpoint] = true
		}
		if len(seen) != 3 {
			t.Errorf("endpoints %v, want three different ones", seen)
		}
	})
}

func TestDeadlineComesFromTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *server) {
			s.reserve = func(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				<-ctx.Done()
				return nil, status.FromContextError(ctx.Err()).Err()
			}
		})
		defer w.close()
		for _, c := range []struct {
			name string
			ctx  time.Duration
			opts []grpc.CallOption
			want time.Duration
		}{
			{name: "contract", want: 2 * time.Second},
			{name: "context is shorter", ctx: 500 * time.Millisecond, want: 500 * time.Millisecond},
			{name: "context is longer", ctx: time.Minute, want: 2 * time.Second},
			{name: "call narrows", opts: []grpc.CallOption{call.Deadline(100 * time.Millisecond)}, want: 100 * time.Millisecond},
			{name: "call cannot widen", opts: []grpc.CallOption{call.Deadline(time.Hour)}, want: 2 * time.Second},
		} {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if c.ctx > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.ctx)
			}
			start := time.Now()
			_, err := w.stub.Reserve(ctx, &inventoryv1.ReserveRequest{}, c.opts...)
			took := time.Since(start)
			cancel()
			if status.Code(err) != codes.DeadlineExceeded || took < c.want || took > c.want+50*time.Millisecond {
				t.Errorf("%s: %v after %v, want DEADLINE_EXCEEDED after %v", c.name, status.Code(err), took, c.want)
			}
		}
	})
}

// Code, message and details of the server reach the caller unchanged.
func TestServersErrorIsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := status.New(codes.NotFound, "no such item: anvil").WithDetails(durationpb.New(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, 2, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) { return nil, st.Err() }
		})
		defer w.close()
		_, err = w.stub.Get(t.Context(), getRequest)
		got := status.Convert(err)
		if got.Code() != codes.NotFound || got.Message() != "no such item: anvil" || len(got.Details()) != 1 {
			t.Errorf("status %v with %d details", got, len(got.Details()))
		}
		var ce *surefoot.CallError
		if !errors.As(err, &ce) || len(ce.Call.Attempts) != 1 || ce.Call.Attempts[0].Verdict != "answer" || ce.MayHaveBeenApplied() {
			t.Errorf("story %+v", ce)
		}
		if !strings.Contains(err.Error(), "no such item: anvil") || !strings.Contains(err.Error(), "attempt 1 on ") {
			t.Errorf("text: %v", err)
		}
	})
}

func TestListedCodeIsRepeatedAfterBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 2
		w := newWorld(t, 1, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				if failures > 0 {
					failures--
					return nil, status.Error(codes.Aborted, "try again")
				}
				if got := md.Get("grpc-previous-rpc-attempts"); len(got) != 1 || got[0] != "2" {
					t.Errorf("previous attempts %v, want 2", got)
				}
				return &inventoryv1.GetResponse{}, nil
			}
		})
		defer w.close()
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Fatal(err)
		}
		_, attempts := w.seen()
		if len(attempts) != 3 || attempts[0].Verdict != "transient" || attempts[0].Next != "backoff" {
			t.Errorf("attempts %+v", attempts)
		}
	})
}

// What is transient is repeated where it was said, if that is where the call belongs.
func TestAListedCodeIsRepeatedAtTheEndpointOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := true
		w := newWorld(t, 5, func(s *server) {
			s.get = func(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() != "warm" {
					if again = !again; !again {
						return nil, status.Error(codes.Aborted, "try again")
					}
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, contractOf(nil, &surefootv1.Service{Balance: &surefootv1.Balance{Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{}}}}))
		defer w.close()
		for range 5 { // the budget earns
			w.warm()
		}
		for _, key := range []string{"anvil", "bolt", "cog"} {
			w.forget()
			if _, err := w.stub.Get(call.WithHashKey(t.Context(), key), getRequest); err != nil {
				t.Fatal(err)
			}
			if _, attempts := w.seen(); len(attempts) != 2 || attempts[0].Verdict != "transient" || attempts[0].Endpoint != attempts[1].Endpoint {
				t.Errorf("%s: attempts %+v", key, attempts)
			}
		}
	})
}

func TestPushback(t *testing.T) {
	for _, c := range []struct {
		value    string
		attempts int
		atLeast  time.Duration
	}{
		{"700", 2, 700 * time.Millisecond},
		{"-1", 1, 0},
		{"soon", 1, 0},
		{"3600000", 1, 0}, // after the deadline: the caller gets the error now
		{"RetryInfo", 2, 700 * time.Millisecond},
	} {
		t.Run(c.value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				w := newWorld(t, 1, func(s *server) {
					s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
						if n++; n > 1 {
							return &inventoryv1.GetResponse{}, nil
						}
						if c.value == "RetryInfo" { // in the details of whatever code
							st, err := status.New(codes.FailedPrecondition, "not yet").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(c.atLeast)})
							if err != nil {
								return nil, err
							}
							return nil, st.Err()
						}
						_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", c.value))
						return nil, status.Error(codes.ResourceExhausted, "too much")
					}
				})
				defer w.close()
				start := time.Now()
				_, err := w.stub.Get(t.Context(), getRequest)
				_, attempts := w.seen()
				if len(attempts) != c.attempts || (err == nil) != (c.attempts > 1) {
					t.Errorf("%d attempts and %v, want %d", len(attempts), err, c.attempts)
				}
				if took := time.Since(start); took < c.atLeast || c.atLeast == 0 && took > 10*time.Millisecond {
					t.Errorf("took %v, want %v", took, c.atLeast)
				}
			})
		})
	}
}

// With every server failing, the budget bounds what repeats add.
func TestBudgetBoundsRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() == "warm" {
					return &inventoryv1.GetResponse{}, nil
				}
				return nil, status.Error(codes.Unavailable, "down")
			}
		}, unguarded())
		defer w.close()
		w.warm()
		const calls = 2000
		for range calls {
			_, err := w.stub.Get(t.Context(), getRequest)
			if status.Code(err) != codes.Unavailable || status.Convert(err).Message() != "down" {
				t.Fatalf("got %v, want the server's own error", err)
			}
			time.Sleep(time.Millisecond)
		}
		_, attempts := w.seen()
		if n := len(attempts); n > calls*12/10+10 || n < calls*11/10 {
			t.Errorf("%d attempts for %d calls, want about 1.2 x", n, calls)
		}
	})
}

// Options that grpc-go would fill for each attempt are filled once, with what
// the last attempt brought.
func TestCallOptionsActOncePerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := newWorld(t, 2, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				n++
				_ = grpc.SetHeader(ctx, metadata.Pairs("attempt", string(rune('0'+n))))
				_ = grpc.SetTrailer(ctx, metadata.Pairs("attempt", string(rune('0'+n))))
				if n == 1 {
					return nil, status.Error(codes.Unavailable, "not yet")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		})
		defer w.close()
		var (
			header, trailer metadata.MD
			p               peer.Peer
			finished        []error
		)
		_, err := w.stub.Get(t.Context(), getRequest, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p),
			grpc.OnFinish(func(err error) { finished = append(finished, err) }))
		if err != nil {
			t.Fatal(err)
		}
		if got := header.Get("attempt"); len(got) != 1 || got[0] != "2" {
			t.Errorf("header %v", header)
		}
		if got := trailer.Get("attempt"); len(got) != 1 || got[0] != "2" {
			t.Errorf("trailer %v", trailer)
		}
		if p.Addr == nil {
			t.Error("no peer")
		}
		if len(finished) != 1 || finished[0] != nil {
			t.Errorf("OnFinish ran %d times: %v", len(finished), finished)
		}
	})
}

func TestInterceptorsRunPerCallOrPerAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var perCall, perAttempt int
		count := func(n *int) grpc.UnaryClientInterceptor {
			return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				*n++
				return invoker(ctx, method, req, reply, cc, opts...)
			}
		}
		n := 0
		w := newWorld(t, 2, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if n++; n < 3 {
					return nil, status.Error(codes.Unavailable, "not yet")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, surefoot.WithDialOptions(grpc.WithUnaryInterceptor(count(&perCall)), grpc.WithChainUnaryInterceptor(count(&perCall))),
			surefoot.WithAttemptInterceptor(count(&perAttempt), nil))
		defer w.close()
		if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
			t.Fatal(err)
		}
		if perCall != 2 || perAttempt != 3 {
			t.Errorf("per call %d (of 2 interceptors), per attempt %d: want 2 and 3", perCall, perAttempt)
		}
	})
}

func TestCallerThatGivesUpIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		defer w.close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := w.stub.Get(ctx, getRequest)
		_, attempts := w.seen()
		if status.Code(err) != codes.Canceled || len(attempts) != 1 || attempts[0].Verdict != "abandoned" {
			t.Errorf("%v with %+v", err, attempts)
		}
	})
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.get = func(ctx context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{AttemptTimeoutMs: new(int64(0))}}}, nil))
		done := make(chan error, 1)
		go func() {
			_, err := w.stub.Get(t.Context(), getRequest)
			done <- err
		}()
		synctest.Wait()
		start := time.Now()
		w.close()
		err := <-done
		if err == nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, attempts := w.seen(); len(attempts) != 1 {
			t.Errorf("attempts %+v, want one", attempts)
		}
	})
}

func TestNoRetryMakesOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				return nil, status.Error(codes.Unavailable, "down")
			}
		})
		defer w.close()
		if _, err := w.stub.Get(t.Context(), getRequest, call.NoRetry()); status.Code(err) != codes.Unavailable {
			t.Error(err)
		}
		if _, attempts := w.seen(); len(attempts) != 1 {
			t.Errorf("attempts %+v, want one", attempts)
		}
	})
}

// A reply that is too large is the client's own failure: nobody tries again.
func TestTooLargeReplyIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				return &inventoryv1.GetResponse{Sku: strings.Repeat("x", 1<<10)}, nil
			}
		})
		defer w.close()
		_, err := w.stub.Get(t.Context(), getRequest, grpc.MaxCallRecvMsgSize(100))
		_, attempts := w.seen()
		if status.Code(err) != codes.ResourceExhausted || len(attempts) != 1 {
			t.Errorf("%v with %+v", err, attempts)
		}
		_, err = w.stub.Get(t.Context(), &inventoryv1.GetRequest{Sku: strings.Repeat("x", 1<<10)}, grpc.MaxCallSendMsgSize(100))
		_, attempts = w.seen()
		if status.Code(err) != codes.ResourceExhausted || len(attempts) != 2 || attempts[1].Verdict != "local" {
			t.Errorf("%v with %+v", err, attempts)
		}
	})
}

// An interceptor fails each attempt before an endpoint is picked. That other
// endpoints are ready is no reason to try again for free.
func TestFailureBeforeAPickCountsAsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		w := newWorld(t, 8, nil, surefoot.WithAttemptInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if req == any(getRequest) {
					attempts++
					return status.Error(codes.Unavailable, "the token server is away")
				}
				return invoker(ctx, method, req, reply, cc, opts...)
			}, nil))
		defer w.close()
		w.warm()
		began := time.Now()
		_, err := w.stub.Get(t.Context(), getRequest)
		if status.Code(err) != codes.Unavailable || attempts != 3 {
			t.Errorf("%d attempts, %v: want 3 and UNAVAILABLE", attempts, err)
		}
		if time.Since(began) == 0 {
			t.Error("no backoff between the attempts")
		}
	})
}

// A server that sends two replies to a unary call breaks the protocol, after it has
// done what it was asked for. grpc-go does not end such an attempt.
func TestTwoRepliesMayHaveBeenApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		w := newWorld(t, 2, func(s *server) {
			s.options = []grpc.ServerOption{grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
				opened++
				if err := stream.RecvMsg(&inventoryv1.ReserveRequest{}); err != nil {
					return err
				}
				_ = stream.SendMsg(&inventoryv1.ReserveResponse{})
				return stream.SendMsg(&inventoryv1.ReserveResponse{})
			})}
		})
		defer w.close()
		w.warm()
		err := w.client.Invoke(t.Context(), "/inventory.v1.Inventory/Twice", &inventoryv1.ReserveRequest{}, &inventoryv1.ReserveResponse{})
		var ce *surefoot.CallError
		if status.Code(err) != codes.Internal || opened != 1 || !errors.As(err, &ce) || !ce.MayHaveBeenApplied() {
			t.Errorf("opened %d times, %v", opened, err)
		}
	})
}
