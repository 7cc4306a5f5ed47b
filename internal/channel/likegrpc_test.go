package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// A script is what a caller does with a stream, and notes what it sees: by the
// names of the methods of grpc.ClientStream.
type script struct {
	cc     grpc.ClientConnInterface
	close  func()
	ctx    context.Context
	cancel context.CancelFunc
	stream grpc.ClientStream
	keep   bool // messages are those of KeepAlive

	mu    sync.Mutex
	notes []string
}

func (s *script) notef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// of returns what a caller may program by: EOF, or the code.
func of(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, io.EOF):
		return "EOF"
	default:
		return status.Code(err).String()
	}
}

// open opens a stream of Watch, or of KeepAlive.
func (s *script) open(desc *grpc.StreamDesc, opts ...grpc.CallOption) bool {
	method := "/inventory.v1.Inventory/Watch"
	if s.keep = desc.ClientStreams; s.keep {
		method = "/inventory.v1.Inventory/KeepAlive"
	}
	stream, err := s.cc.NewStream(s.ctx, desc, method, opts...)
	s.stream = stream
	s.notef("open %s", of(err))
	return err == nil
}

func (s *script) send(size ...int) {
	var m any = &inventoryv1.WatchRequest{Sku: strings.Repeat("x", append(size, 1)[0])}
	if s.keep {
		m = &inventoryv1.KeepAliveRequest{LeaseId: strings.Repeat("x", append(size, 1)[0])}
	}
	s.notef("send %s", of(s.stream.SendMsg(m)))
}

func (s *script) recv() error {
	if s.keep {
		var m inventoryv1.KeepAliveResponse
		err := s.stream.RecvMsg(&m)
		s.notef("recv %s %d", of(err), m.GetTtlMs())
		return err
	}
	var m inventoryv1.WatchResponse
	err := s.stream.RecvMsg(&m)
	s.notef("recv %s %d", of(err), m.GetRevision())
	return err
}

func (s *script) header() {
	md, err := s.stream.Header()
	s.notef("header %s %v %v", of(err), md != nil, md.Get("is"))
}
func (s *script) trailer()   { s.notef("trailer %v", s.stream.Trailer().Get("was")) }
func (s *script) closeSend() { s.notef("close %s", of(s.stream.CloseSend())) }
func (s *script) context() {
	ctx := s.stream.Context()
	p, ok := peer.FromContext(ctx)
	s.notef("context %v, a peer %v", ctx.Err(), ok && p.Addr != nil)
}

// serverSide is what handlers do: they answer a first message with n messages,
// after a header if there is one, and end with err and a trailer.
func serverSide(header bool, n int64, err error) func(in interface {
	SendHeader(md metadata.MD) error
	SetTrailer(md metadata.MD)
}, send func(int64) error) error {
	return func(in interface {
		SendHeader(md metadata.MD) error
		SetTrailer(md metadata.MD)
	}, send func(int64) error) error {
		in.SetTrailer(metadata.Pairs("was", "here"))
		if header {
			if err := in.SendHeader(metadata.Pairs("is", "here")); err != nil {
				return err
			}
		}
		for i := range n {
			if err := send(i + 1); err != nil {
				return err
			}
		}
		if errors.Is(err, errWaits) {
			<-in.(grpc.ServerStream).Context().Done()
			<-time.After(time.Second) // its end is not news at the moment of the caller's
		}
		return err
	}
}

var (
	errWaits = errors.New("waits for the caller")

	watchDesc  = &grpc.StreamDesc{ServerStreams: true}
	keepDesc   = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	uploadDesc = &grpc.StreamDesc{ClientStreams: true}
)

// What grpc.ClientStream promises, line by line: a caller sees of a stream of
// Surefoot's what it sees of grpc-go's.
func TestAStreamIsAsGRPCHasIt(t *testing.T) {
	notFound := status.Error(codes.NotFound, "no")
	for _, c := range []struct {
		name   string
		header bool
		n      int64
		err    error
		first  bool // the handler of KeepAlive reads a message before it answers
		play   func(s *script)
	}{
		{"Header blocks until there is one", true, 2, nil, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.header()
			s.context()
			s.recv()
			s.recv()
			s.recv()
			s.recv()
			s.trailer()
			s.header()
			s.context()
		}},
		{"Header after messages", true, 2, nil, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.closeSend()
			s.recv()
			s.header()
			s.context()
			s.recv()
			s.recv()
			s.trailer()
		}},
		{"no header: it is nil without an error, and RecvMsg has the status", false, 0, notFound, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.closeSend()
			s.header()
			s.header()
			s.recv()
			s.recv()
			s.trailer()
			s.header()
			s.context()
		}},
		{"no header, and success", false, 0, nil, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.closeSend()
			s.header()
			s.recv()
			s.recv()
			s.trailer()
			s.context()
		}},
		{"a header, and failure", true, 0, notFound, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.header()
			s.recv()
			s.recv()
			s.trailer()
		}},
		{"RecvMsg returns the status, however often", true, 1, notFound, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			for range 4 {
				s.recv()
			}
			s.trailer()
			s.context()
		}},
		{"CloseSend always returns nil", true, 1, nil, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.closeSend()
			s.closeSend()
			s.recv()
			s.closeSend()
			s.recv()
			s.closeSend()
		}},
		{"CloseSend of a stream that failed", false, 0, notFound, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.recv()
			s.closeSend()
			s.recv()
		}},
		{"SendMsg twice, where there is one request", true, 1, nil, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.send()
		}},
		{"SendMsg after CloseSend", false, 1, nil, false, func(s *script) {
			s.open(keepDesc)
			s.closeSend()
			s.send()
			s.closeSend()
		}},
		{"SendMsg of what is too large aborts the stream", false, 1, nil, true, func(s *script) {
			s.open(watchDesc, grpc.MaxCallSendMsgSize(10))
			s.send(100)
			s.closeSend()
		}},
		{"SendMsg of what is too large, in both directions", false, 1, errWaits, true, func(s *script) {
			s.open(keepDesc, grpc.MaxCallSendMsgSize(10))
			s.send()
			s.recv()
			s.send(100)
		}},
		{"RecvMsg of what is too large", true, 1, errWaits, true, func(s *script) {
			s.open(watchDesc, grpc.MaxCallRecvMsgSize(1))
			s.send()
			s.recv()
		}},
		{"SendMsg returns EOF when the stream has ended, and RecvMsg the status", true, 1, notFound, true, func(s *script) {
			s.open(keepDesc)
			s.send()
			s.recv()
			synctest.Wait()
			s.send()
			s.recv()
			s.send()
			s.trailer()
		}},
		{"SendMsg returns EOF after success, too", true, 1, nil, true, func(s *script) {
			s.open(keepDesc)
			s.send()
			s.recv()
			synctest.Wait()
			s.send()
			s.recv()
			s.trailer()
			s.context()
		}},
		{"SendMsg for one request returns nil whatever happened", false, 0, notFound, false, func(s *script) {
			s.open(watchDesc)
			synctest.Wait()
			s.send()
			s.recv()
			s.trailer()
		}},
		{"one goroutine sends and one receives", true, 3, nil, true, func(s *script) {
			s.open(keepDesc)
			var both sync.WaitGroup
			both.Go(func() {
				for s.recv() == nil {
				}
			})
			both.Go(func() { s.send() })
			both.Wait()
			slices.Sort(s.notes)
			s.trailer()
		}},
		{"the context is done before", true, 1, nil, true, func(s *script) {
			s.cancel()
			s.open(watchDesc)
		}},
		{"the context is cancelled", true, 1, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.recv()
			s.context()
			s.cancel()
			s.recv()
			s.recv()
			s.header()
			s.context()
			s.closeSend()
		}},
		{"the context is cancelled before anything came", false, 0, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.cancel()
			s.header()
			s.recv()
			s.trailer()
			s.context()
		}},
		{"the context is cancelled while RecvMsg waits", false, 0, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			time.AfterFunc(time.Second, s.cancel)
			s.recv()
			s.trailer()
		}},
		{"the context is cancelled while Header waits", false, 0, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			time.AfterFunc(time.Second, s.cancel)
			s.header()
			s.recv()
		}},
		{"the context is cancelled while both wait", false, 0, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			time.AfterFunc(time.Second, s.cancel)
			var both sync.WaitGroup
			both.Go(func() { s.recv() })
			both.Go(s.header)
			both.Wait()
			slices.Sort(s.notes)
		}},
		{"Header while RecvMsg waits", true, 0, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			time.AfterFunc(time.Second, s.cancel)
			var reader sync.WaitGroup
			reader.Go(func() { s.recv() })
			synctest.Wait()
			s.header()
			s.context()
			reader.Wait()
		}},
		{"SendMsg after the context is cancelled", true, 1, errWaits, true, func(s *script) {
			s.open(keepDesc)
			s.send()
			s.recv()
			s.cancel()
			synctest.Wait()
			s.send()
			s.recv()
		}},
		{"the client is closed", true, 1, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.recv()
			s.close()
			s.recv()
			s.closeSend()
			s.trailer()
			s.open(watchDesc)
		}},
		{"the client is closed before anything came", false, 0, errWaits, true, func(s *script) {
			s.open(watchDesc)
			s.send()
			s.close()
			s.header() // and RecvMsg says CANCELLED or UNAVAILABLE, by chance
		}},
		{"one reply", true, 1, nil, true, func(s *script) {
			s.open(uploadDesc)
			s.send()
			s.closeSend()
			s.recv()
			s.trailer()
			s.header()
		}},
		{"no reply, where one is due", true, 0, nil, true, func(s *script) {
			s.open(uploadDesc)
			s.send()
			s.closeSend()
			s.recv()
			s.trailer()
		}},
		{"two replies, where one is due", true, 2, nil, true, func(s *script) {
			s.open(uploadDesc)
			s.send()
			s.closeSend()
			s.recv()
		}},
		{"one reply, and failure", true, 1, notFound, true, func(s *script) {
			s.open(uploadDesc)
			s.send()
			s.closeSend()
			s.recv()
			s.trailer()
		}},
		{"options are filled in at the end", true, 1, notFound, true, func(s *script) {
			var header, trailer metadata.MD
			var at peer.Peer
			ended := 0
			s.open(watchDesc, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&at), grpc.OnFinish(func(err error) {
				ended++
				s.notef("finished %s", of(err))
			}))
			s.send()
			s.recv()
			s.recv()
			s.notef("%v %v %v %d", header.Get("is"), trailer.Get("was"), at.Addr != nil, ended)
		}},
		{"a deadline", true, 1, errWaits, true, func(s *script) {
			s.ctx, s.cancel = context.WithTimeout(s.ctx, time.Second)
			defer s.cancel()
			s.open(watchDesc)
			s.send()
			s.recv()
			s.recv()
			s.trailer()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, func(s *server) {
					answer := serverSide(c.header, c.n, c.err)
					s.watch = func(_ *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
						return answer(w, func(i int64) error { return w.Send(&inventoryv1.WatchResponse{Revision: i}) })
					}
					s.keep = func(k inventoryv1.Inventory_KeepAliveServer) error {
						if c.first {
							if _, err := k.Recv(); err != nil {
								return err
							}
						}
						return answer(k, func(i int64) error { return k.Send(&inventoryv1.KeepAliveResponse{TtlMs: i}) })
					}
				})
				defer func() { <-time.After(2 * time.Second) }() // until all handlers have ended
				defer w.servers[0].grpc.Stop()
				defer w.client.Close()
				bare, err := grpc.NewClient("passthrough:///a", grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return w.servers[0].dial(ctx) }))
				if err != nil {
					t.Fatal(err)
				}
				defer bare.Close()
				bare.Connect()
				w.warm()
				play := func(cc interface {
					grpc.ClientConnInterface
					Close() error
				}) []string {
					s := &script{cc: cc, close: func() { _ = cc.Close() }}
					s.ctx, s.cancel = context.WithCancel(t.Context())
					defer s.cancel()
					c.play(s)
					return s.notes
				}
				want, got := play(bare), play(w.client)
				if !slices.Equal(got, want) {
					t.Errorf("Surefoot:\n\t%s\ngrpc-go:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
				}
			})
		})
	}
}
