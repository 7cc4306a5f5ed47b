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
	cfg := configureServer(opts)
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

// RegisterService registers a service, as generated code asks for it:
// inventoryv1.RegisterInventoryServer(server, inventory{}).
//
// The server has a health service (grpc.health.v1) already. If one of your own
// is registered here, that one answers instead. When the server drains, its
// watches end with NOT_SERVING, and its Shutdown method is called if it has one,
// as grpc-go's, so that it says NOT_SERVING to everybody else.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.serve.RegisterService(desc, impl)
}

// SetServing says on the health service whether service, by its full name, is
// serving; "" is the server as a whole. It may be called before the server is
// started and at any time after. Unless told, every registered service is
// serving. While the server drains everything is NOT_SERVING, whatever is said.
//
// A health service of your own is told through its SetServingStatus method, as
// grpc-go's has it; without one, its states are only yours to set.
func (s *Server) SetServing(service string, serving bool) { s.serve.SetServing(service, serving) }

// Run listens on the TCP address addr, such as ":8443", and serves until ctx is
// done or the process gets SIGTERM or SIGINT. Then it says on its health
// service that it is not serving, asks clients to go elsewhere, and waits for
// the calls in flight as long as [WithDrainTimeout] allows. It returns nil if
// they all ended by themselves, and an error that counts those it cut.
func (s *Server) Run(ctx context.Context, addr string) error { return s.serve.Run(ctx, addr) }

// Serve is [Server.Run] on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error { return s.serve.Serve(ctx, lis) }

// GracefulStop ends the server when its last call ends, however long that
// takes; health says NOT_SERVING from now on, and its watches end. To wait for
// a bounded time, end the context of [Server.Serve] instead.
func (s *Server) GracefulStop() { s.serve.GracefulStop() }

// Stop ends the server at once and cuts its calls, as a GracefulStop that takes
// too long asks for.
func (s *Server) Stop() { s.serve.Stop() }
