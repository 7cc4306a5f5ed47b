package serve_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/tap"

	"github.com/surefoot-rpc/surefoot/internal/serve"
)

func TestAnInterceptorThatWouldRunFirstIsFound(t *testing.T) {
	unary := func(_ context.Context, req any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
		return req, nil
	}
	stream := func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error { return nil }
	for _, c := range []struct {
		name   string
		option grpc.ServerOption
		want   string
	}{
		{"unary", grpc.UnaryInterceptor(unary), "UnaryInterceptor"},
		{"stream", grpc.StreamInterceptor(stream), "StreamInterceptor"},
		{"chained", grpc.ChainUnaryInterceptor(unary, unary), ""},
		{"chained, of streams", grpc.ChainStreamInterceptor(stream), ""},
		{"none", grpc.UnaryInterceptor(nil), "UnaryInterceptor"},
		{"a tap", grpc.InTapHandle(func(ctx context.Context, _ *tap.Info) (context.Context, error) { return ctx, nil }), ""},
		{"credentials", grpc.Creds(insecure.NewCredentials()), ""},
		{"workers", grpc.NumStreamWorkers(2), ""},
		{"keepalive", grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute}), ""},
		{"empty", grpc.EmptyServerOption{}, ""},
	} {
		if got := serve.Plain(c.option); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
