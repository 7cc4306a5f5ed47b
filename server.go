package surefoot

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/serve"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A Server is a gRPC server that keeps its half of the contract. It is a
// [grpc.ServiceRegistrar], and embeds the [grpc.Server] for everything else.
type Server struct {
	*grpc.Server
	serve *serve.Server
}

// drainTimeout is how long a server waits for calls in flight, unless told.
const drainTimeout = 10 * time.Second

// NewServer returns a server. Register services with it, then call Run.
//
// Everything that is wrong with the options and the contracts is reported
// here, all at once.
func NewServer(opts ...ServerOption) (*Server, error) {
	cfg := serverConfig{drain: drainTimeout}
	for _, o := range opts {
		o.applyToServer(&cfg)
	}
	table, err := cfg.compile()
	if err != nil {
		return nil, fmt.Errorf("surefoot: server: %w", err)
	}
	observer := observe.Join(cfg.observers...)
	kit := serve.New(serve.Config{
		Channel:      table.Channel,
		Credentials:  cfg.credentials,
		DrainTimeout: cfg.drain,
		Observer:     &observer,
		Options:      cfg.options,
	})
	return &Server{Server: kit.Server, serve: kit}, nil
}

// Run listens on the TCP address addr, such as ":8443", and serves until ctx is
// done or the process gets SIGTERM or SIGINT. Then it says on its health
// service that it is not serving, asks clients to go elsewhere, and waits for
// the calls in flight as long as [WithDrainTimeout] allows. It returns nil if
// they all ended by themselves, and an error that counts those it cut.
func (s *Server) Run(ctx context.Context, addr string) error { return s.serve.Run(ctx, addr) }

// Serve is [Server.Run] on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error { return s.serve.Serve(ctx, lis) }
