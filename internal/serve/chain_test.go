package serve_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/serve"
)

// A transportStream is what a server's interceptors see of grpc-go's stream.
type transportStream struct {
	grpc.ServerTransportStream
	trailer metadata.MD
}

func (s *transportStream) SetTrailer(md metadata.MD) error {
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

// The call waits before anybody works on it, here in an interceptor that stands
// before all others, until its caller is gone. Nobody works on it then.
func TestACallThatNobodyWaitsForIsNotExecuted(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(context.Context) (context.Context, context.CancelFunc)
		want  []codes.Code
	}{
		{"out of time", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, []codes.Code{codes.DeadlineExceeded, codes.Canceled}}, // whose clock is first: the client's cancels
		{"given up", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, []codes.Code{codes.Canceled}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waits := false
				refused := make(chan error, 2)
				trailers := make(chan metadata.MD, 2)
				executed := 0
				s := start(t, serve.Config{Options: []grpc.ServerOption{
					grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
						if !waits {
							return next(ctx, req)
						}
						<-ctx.Done()
						stream := &transportStream{ServerTransportStream: grpc.ServerTransportStreamFromContext(ctx)}
						reply, err := next(grpc.NewContextWithServerTransportStream(ctx, stream), req)
						refused <- err
						trailers <- stream.trailer
						return reply, err
					}),
					grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
						<-stream.Context().Done()
						err := next(srv, stream)
						refused <- err
						return err
					}),
					grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
						if waits {
							executed++
						}
						return next(ctx, req)
					}),
				}}, &backend{watch: func(grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
					executed++
					return nil
				}})
				conn := s.dial(t)
				waits = true
				for _, kind := range []string{"unary", "streaming"} {
					ctx, cancel := c.leave(t.Context())
					if kind == "unary" {
						_ = get(ctx, conn)
					} else if stream, err := inventoryv1.NewInventoryClient(conn).Watch(ctx, &inventoryv1.WatchRequest{}); err == nil {
						_, _ = stream.Recv()
					}
					cancel()
					if err := <-refused; !slices.Contains(c.want, status.Code(err)) || !strings.HasPrefix(status.Convert(err).Message(), "surefoot: server: ") {
						t.Errorf("%s: refused with %v, want %v", kind, err, c.want)
					}
				}
				if got := (<-trailers)["surefoot-not-executed"]; len(got) != 1 || got[0] != inventoryv1.Inventory_Get_FullMethodName {
					t.Errorf("told %q", got)
				}
				if executed > 0 {
					t.Errorf("%d calls were executed", executed)
				}
			})
		})
	}
}

// What a handler does with its stream reaches grpc-go past the context that is
// put before it.
func TestHandlersReachTheirStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		do := func(ctx context.Context) error {
			if m, _ := grpc.Method(ctx); m == "" {
				t.Error("no method")
			}
			if _, err := grpc.ClientSupportedCompressors(ctx); err != nil {
				t.Error(err)
			}
			_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "t"))
			return grpc.SetHeader(ctx, metadata.Pairs("x-header", "h"))
		}
		s := start(t, serve.Config{}, &backend{get: do, watch: func(stream grpc.ServerStreamingServer[inventoryv1.WatchResponse]) error {
			return do(stream.Context())
		}})
		conn := s.dial(t)
		var header, trailer metadata.MD
		if err := get(t.Context(), conn, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if len(header["x-header"]) != 1 || len(trailer["x-trailer"]) != 1 {
			t.Errorf("unary: %v, %v", header, trailer)
		}
		stream, err := inventoryv1.NewInventoryClient(conn).Watch(t.Context(), &inventoryv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Recv()
		header, _ = stream.Header()
		if trailer := stream.Trailer(); len(header["x-header"]) != 1 || len(trailer["x-trailer"]) != 1 {
			t.Errorf("stream: %v, %v", header, trailer)
		}
	})
}
