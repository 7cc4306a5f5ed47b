package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// failing makes the first n watches fail in this way, whichever servers they
// reach. It counts all.
func failing(n int64, fail func(s *server, w inventoryv1.Inventory_WatchServer) error) (setup func(*server), opened *atomic.Int64) {
	opened = new(atomic.Int64)
	return func(s *server) {
		s.watch = func(r *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
			w.SetTrailer(metadata.Pairs("server", s.name))
			if opened.Add(1) <= n {
				return fail(s, w)
			}
			if err := w.SendHeader(metadata.Pairs("server", s.name)); err != nil {
				return err
			}
			return w.Send(&inventoryv1.WatchResponse{Revision: 1, Server: s.name + " " + r.GetSku()})
		}
	}, opened
}

func saying(code codes.Code) func(*server, inventoryv1.Inventory_WatchServer) error {
	return func(*server, inventoryv1.Inventory_WatchServer) error { return status.Error(code, "no") }
}

func dying(s *server, w inventoryv1.Inventory_WatchServer) error {
	s.kill()
	<-w.Context().Done()
	return w.Context().Err()
}

func mute(_ *server, w inventoryv1.Inventory_WatchServer) error {
	<-w.Context().Done()
	return w.Context().Err()
}

// watching returns an option that changes the contract of Watch.
func watching(m *surefootv1.Method) surefoot.ClientOption {
	return contractOf(map[string]*surefootv1.MethodContract{"Watch": {Method: m}}, nil)
}

func TestServerStreamIsRepeatedBeforeItsFirstMessage(t *testing.T) {
	listed := watching(&surefootv1.Method{Retry: &surefootv1.Retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}})
	for _, c := range []struct {
		name   string
		fail   func(*server, inventoryv1.Inventory_WatchServer) error
		opts   []surefoot.ClientOption
		opened int64
		want   codes.Code
		took   time.Duration // at least
		first  string        // verdict
	}{
		{"UNAVAILABLE", saying(codes.Unavailable), nil, 2, codes.OK, 0, "fault"},
		{"lost", dying, nil, 2, codes.OK, 0, "lost"},
		{"a listed code", saying(codes.Aborted), []surefoot.ClientOption{listed}, 2, codes.OK, 0, "transient"},
		{"a code that is not listed", saying(codes.Aborted), nil, 1, codes.Aborted, 0, "answer"},
		{"an answer", saying(codes.NotFound), nil, 1, codes.NotFound, 0, "answer"},
		{"INTERNAL", saying(codes.Internal), nil, 1, codes.Internal, 0, "broken"},
		{"no first message", mute, []surefoot.ClientOption{watching(&surefootv1.Method{Stream: &surefootv1.Stream{FirstMessageTimeoutMs: new(int64(300))}})},
			2, codes.OK, 300 * time.Millisecond, "timeout"},
		{"repeats are off", saying(codes.Unavailable), []surefoot.ClientOption{watching(&surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: new(int32(1))}})},
			1, codes.Unavailable, 0, "fault"},
	} {
		for _, viaHeader := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					setup, opened := failing(1, c.fail)
					perAttempt, finished := 0, 0
					w := newWorld(t, 4, setup, append(c.opts, surefoot.WithAttemptInterceptor(nil,
						func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
							perAttempt++
							return streamer(ctx, desc, cc, method, opts...)
						}))...)
					defer w.close()
					w.warm()
					var header, trailer metadata.MD
					var at peer.Peer
					start := time.Now()
					stream, err := w.stub.Watch(t.Context(), watchRequest,
						grpc.OnFinish(func(error) { finished++ }), grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&at))
					if err != nil {
						t.Fatal(err)
					}
					if viaHeader {
						md, err := stream.Header()
						if c.want == codes.OK && (err != nil || len(md.Get("server")) != 1) {
							t.Errorf("header %v, %v", md, err)
						}
					}
					m, err := stream.Recv()
					if status.Code(err) != c.want {
						t.Fatalf("%v, want %v", err, c.want)
					}
					took := time.Since(start)
					for err == nil {
						_, err = stream.Recv()
					}
					synctest.Wait()
					calls, attempts := w.seen()
					if opened.Load() != c.opened || int64(perAttempt) != c.opened || finished != 1 || len(calls) != 1 || took < c.took || took > c.took+50*time.Millisecond {
						t.Errorf("opened %d times, interceptor %d, finished %d, %d calls, %v: want %d, %d, 1, 1 and %v",
							opened.Load(), perAttempt, finished, len(calls), took, c.opened, c.opened, c.took)
					}
					if int64(len(attempts)) != c.opened || attempts[0].Verdict != c.first {
						t.Errorf("attempts %+v", attempts)
					}
					last := attempts[len(attempts)-1].Endpoint
					if got := trailer.Get("server"); len(got) != 1 || got[0] != last {
						t.Errorf("the trailer is %v, of an attempt on %s", trailer, last)
					}
					if c.want != codes.OK {
						return
					}
					if m.GetServer() != last+" anvil" || len(header.Get("server")) != 1 || header.Get("server")[0] != last || at.Addr == nil {
						t.Errorf("%v, header %v, peer %v of an attempt on %s", m, header, at, last)
					}
					if c.first != "transient" && attempts[0].Endpoint == last {
						t.Errorf("repeated on the same endpoint: %+v", attempts)
					}
					if !errors.Is(err, io.EOF) || calls[0].Err != nil {
						t.Errorf("ended with %v, %v", err, calls[0].Err)
					}
				})
			})
		}
	}
}

func TestAStreamWithoutMessagesIsASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *server) {
			s.watch = func(*inventoryv1.WatchRequest, inventoryv1.Inventory_WatchServer) error { return nil }
		})
		defer w.close()
		w.warm()
		for _, header := range []bool{false, true} {
			w.forget()
			stream, err := w.stub.Watch(t.Context(), watchRequest)
			if err != nil {
				t.Fatal(err)
			}
			if header {
				if md, err := stream.Header(); md != nil || err != nil {
					t.Errorf("header %v, %v", md, err)
				}
			}
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("%v, want EOF", err)
			}
			if calls, attempts := w.seen(); len(calls) != 1 || calls[0].Err != nil || len(attempts) != 1 {
				t.Errorf("calls %+v", calls)
			}
		}
	})
}

func TestAttemptsOfAServerStreamAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setup, opened := failing(1000, saying(codes.Unavailable))
		w := newWorld(t, 5, setup)
		defer w.close()
		w.warm()
		stream, err := w.stub.Watch(t.Context(), watchRequest)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		var ce *surefoot.CallError
		if !errors.As(err, &ce) || status.Code(err) != codes.Unavailable || len(ce.Call.Attempts) != 3 || opened.Load() != 3 {
			t.Errorf("%d opened, %v", opened.Load(), err)
		}
		if _, again := stream.Recv(); !errors.Is(again, err) || opened.Load() != 3 {
			t.Errorf("%d opened, then %v", opened.Load(), again)
		}
	})
}

// What the caller has seen of a stream is of that stream.
func TestStreamThatTheCallerHasSeenIsNotRepeated(t *testing.T) {
	for name, see := range map[string]func(inventoryv1.Inventory_WatchClient){
		"header":  func(s inventoryv1.Inventory_WatchClient) { _, _ = s.Header() },
		"context": func(s inventoryv1.Inventory_WatchClient) { _ = s.Context() },
	} {
		for _, waits := range []bool{false, true} { // for a message, when the stream is seen
			t.Run(fmt.Sprintf("%s, waits %v", name, waits), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					setup, opened := failing(1, func(_ *server, w inventoryv1.Inventory_WatchServer) error {
						time.Sleep(time.Second)
						_ = w.SendHeader(metadata.Pairs("seen", "yes"))
						time.Sleep(time.Second)
						return status.Error(codes.Unavailable, "no")
					})
					w := newWorld(t, 3, setup)
					defer w.close()
					w.warm()
					stream, err := w.stub.Watch(t.Context(), watchRequest)
					if err != nil {
						t.Fatal(err)
					}
					end := make(chan error, 1)
					recv := func() {
						_, err := stream.Recv()
						end <- err
					}
					if waits {
						go recv()
						synctest.Wait()
					}
					see(stream)
					if !waits {
						recv()
					}
					if err := <-end; status.Code(err) != codes.Unavailable || opened.Load() != 1 {
						t.Errorf("%d opened, %v", opened.Load(), err)
					}
					if calls, _ := w.seen(); len(calls) != 1 {
						t.Errorf("%d calls", len(calls))
					}
				})
			})
		}
	}
}

// A caller may wait for the header and for a message at the same time.
func TestHeaderAndMessageMayBeAwaitedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sendHeader := make(chan bool)
		w := newWorld(t, 1, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				<-sendHeader
				_ = w.SendHeader(metadata.Pairs("seen", "yes"))
				<-sendHeader
				return w.Send(&inventoryv1.WatchResponse{Revision: 7})
			}
		})
		defer w.close()
		stream, err := w.stub.Watch(t.Context(), watchRequest)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan int64)
		go func() {
			m, _ := stream.Recv()
			got <- m.GetRevision()
		}()
		synctest.Wait()
		header := make(chan metadata.MD)
		go func() {
			md, _ := stream.Header()
			header <- md
		}()
		synctest.Wait()
		sendHeader <- true
		if md := <-header; len(md.Get("seen")) != 1 {
			t.Errorf("header %v", md)
		}
		sendHeader <- true
		if r := <-got; r != 7 {
			t.Errorf("revision %d", r)
		}
	})
}

// talk opens a stream of a method that no contract knows.
func talk(t *testing.T, w *world, desc *grpc.StreamDesc) grpc.ClientStream {
	t.Helper()
	stream, err := w.client.NewStream(t.Context(), desc, "/unknown.v1.Service/Method")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(watchRequest); err != nil && !errors.Is(err, io.EOF) { // the server may have ended it
		t.Fatal(err)
	}
	return stream
}

// What may have been processed is repeated only for methods that say that this
// does no harm, and what was streamed is gone.
func TestOnlyIdempotentServerStreamsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int64
		setup := func(s *server) {
			s.options = []grpc.ServerOption{grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
				opened.Add(1)
				return status.Error(codes.Unavailable, "no")
			})}
			s.keep = func(inventoryv1.Inventory_KeepAliveServer) error {
				opened.Add(1)
				return status.Error(codes.Unavailable, "no")
			}
		}
		w := newWorld(t, 3, setup)
		defer w.close()
		w.warm()
		for name, open := range map[string]func() grpc.ClientStream{
			"a server stream that is not idempotent": func() grpc.ClientStream { return talk(t, w, &grpc.StreamDesc{ServerStreams: true}) },
			"a client stream":                        func() grpc.ClientStream { return talk(t, w, &grpc.StreamDesc{ClientStreams: true}) },
			"an idempotent bidirectional stream": func() grpc.ClientStream {
				s, err := w.stub.KeepAlive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
		} {
			opened.Store(0)
			stream := open()
			if err := stream.RecvMsg(&inventoryv1.WatchResponse{}); status.Code(err) != codes.Unavailable || opened.Load() != 1 {
				t.Errorf("%s: opened %d times, %v", name, opened.Load(), err)
			}
		}
	})
}

// A stream that waits for its repeat ends when its caller leaves, and when the
// client is closed.
func TestStreamThatWaitsForItsRepeatEnds(t *testing.T) {
	slow := watching(&surefootv1.Method{Retry: &surefootv1.Retry{
		Codes: []surefootv1.Code{surefootv1.Code_ABORTED}, Backoff: &surefootv1.Backoff{BaseMs: new(int64(1e9)), MaxMs: new(int64(1e9))},
	}})
	for name, end := range map[string]func(cancel func(), w *world){
		"its caller leaves":    func(cancel func(), _ *world) { cancel() },
		"the client is closed": func(_ func(), w *world) { _ = w.client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				setup, opened := failing(1000, saying(codes.Aborted))
				w := newWorld(t, 2, setup, slow)
				w.warm()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				finished := 0
				stream, err := w.stub.Watch(ctx, watchRequest, grpc.OnFinish(func(error) { finished++ }))
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error)
				go func() {
					_, err := stream.Recv()
					ended <- err
				}()
				synctest.Wait()
				end(cancel, w)
				if err := <-ended; status.Code(err) != codes.Aborted || opened.Load() != 1 {
					t.Errorf("opened %d times, %v", opened.Load(), err)
				}
				if calls, _ := w.seen(); len(calls) != 1 || finished != 1 {
					t.Errorf("%d calls, finished %d times", len(calls), finished)
				}
				_ = w.client.Close()
				for _, s := range w.servers {
					s.grpc.Stop()
				}
			})
		})
	}
}

// What an attempt has filled in for the user is not left beside the error of a
// later one.
func TestTrailerOfAnEarlierAttemptIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setup, _ := failing(1000, saying(codes.Unavailable))
		attempts := 0
		w := newWorld(t, 1, setup, surefoot.WithAttemptInterceptor(nil,
			func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				if attempts++; attempts > 1 {
					return nil, status.Error(codes.PermissionDenied, "no more")
				}
				return streamer(ctx, desc, cc, method, opts...)
			}))
		defer w.close()
		w.warm()
		var trailer metadata.MD
		var at peer.Peer
		stream, err := w.stub.Watch(t.Context(), watchRequest, grpc.Trailer(&trailer), grpc.Peer(&at))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied || attempts != 2 || len(trailer) != 0 || at.Addr != nil || len(stream.Trailer()) != 0 {
			t.Errorf("%d attempts, %v with the trailers %v and %v of %v", attempts, err, trailer, stream.Trailer(), at.Addr)
		}
	})
}

// Others than the reader see the stream that the caller will have: no header that
// is of none, no context that is done, because the first one has failed.
func TestWhoWaitsBesideTheReaderSeesTheRepeat(t *testing.T) {
	listed := watching(&surefootv1.Method{Retry: &surefootv1.Retry{Codes: []surefootv1.Code{surefootv1.Code_ABORTED}}})
	for name, look := range map[string]func(inventoryv1.Inventory_WatchClient) string{
		"header": func(s inventoryv1.Inventory_WatchClient) string {
			md, err := s.Header()
			return fmt.Sprint(len(md.Get("server")), " ", err)
		},
		"context": func(s inventoryv1.Inventory_WatchClient) string { return fmt.Sprint("1 ", s.Context().Err()) },
	} {
		for _, c := range []struct {
			name   string
			before time.Duration // from the beginning until somebody looks
		}{{"before the first fails", 0}, {"while it is opened again", time.Second}} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				if name == "context" && c.before == 0 {
					t.Skip("a caller that has the context has that stream")
				}
				synctest.Test(t, func(t *testing.T) {
					setup, opened := failing(1, func(*server, inventoryv1.Inventory_WatchServer) error {
						<-time.After(time.Second - time.Microsecond)
						return status.Error(codes.Aborted, "no")
					})
					w := newWorld(t, 3, setup, listed, surefoot.WithAttemptInterceptor(nil,
						func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
							if opened.Load() > 0 {
								<-time.After(time.Second) // it takes long
							}
							return streamer(ctx, desc, cc, method, opts...)
						}))
					defer w.close()
					w.warm()
					stream, err := w.stub.Watch(t.Context(), watchRequest)
					if err != nil {
						t.Fatal(err)
					}
					read := make(chan error)
					go func() {
						_, err := stream.Recv()
						read <- err
					}()
					<-time.After(c.before)
					synctest.Wait()
					if got := look(stream); got != "1 <nil>" {
						t.Errorf("saw %s", got)
					}
					if err := <-read; err != nil || opened.Load() != 2 {
						t.Errorf("%v, opened %d times", err, opened.Load())
					}
					if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					if calls, attempts := w.seen(); len(calls) != 1 || len(attempts) != 2 {
						t.Errorf("calls %+v", calls)
					}
				})
			})
		}
	}
}

// A stream that is opened again is closed for sending again, also if nothing was
// sent. (Otherwise grpc-go closes it with the message.)
func TestTheRepeatOfAStreamIsClosedForSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int64
		w := newWorld(t, 3, func(s *server) {
			s.options = append(s.options, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
				if opened.Add(1) == 1 {
					return status.Error(codes.Unavailable, "no")
				}
				for {
					if err := stream.RecvMsg(new(inventoryv1.WatchRequest)); errors.Is(err, io.EOF) {
						return stream.SendMsg(&inventoryv1.WatchResponse{Revision: 7})
					} else if err != nil {
						return err
					}
				}
			}))
		}, surefoot.WithContract(&surefootv1.Contract{ServiceName: "unknown.v1.Service", Methods: map[string]*surefootv1.MethodContract{
			"Method": {IdempotencyLevel: new(surefootv1.IdempotencyLevel_IDEMPOTENT), Method: &surefootv1.Method{DeadlineMs: new(int64(1000))}},
		}}))
		defer w.close()
		w.warm()
		stream, err := w.client.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/unknown.v1.Service/Method")
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var m inventoryv1.WatchResponse
		if err := stream.RecvMsg(&m); err != nil || m.GetRevision() != 7 || opened.Load() != 2 {
			t.Errorf("%v, revision %d from stream %d", err, m.GetRevision(), opened.Load())
		}
	})
}

// The request is kept until the first message has come, and no longer: a watch may
// last for days.
func TestTheRequestOfAStreamIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
				time.Sleep(time.Second)
				if err := w.Send(&inventoryv1.WatchResponse{Revision: 1}); err != nil {
					return err
				}
				return mute(s, w)
			}
		})
		defer w.close()
		w.warm()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var kept weak.Pointer[inventoryv1.WatchRequest]
		watch := func() (inventoryv1.Inventory_WatchClient, error) {
			request := &inventoryv1.WatchRequest{Sku: "bolt"}
			kept = weak.Make(request)
			return w.stub.Watch(ctx, request)
		}
		stream, err := watch()
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GC(); kept.Value() == nil {
			t.Error("nothing is kept that could be sent again")
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if runtime.GC(); kept.Value() != nil {
			t.Error("the request is kept after the first message")
		}
		runtime.KeepAlive(stream)
	})
}
