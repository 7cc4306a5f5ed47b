// Package serve drives the server's half of a contract: it stands between a
// grpc.Server and its handlers, and between the process and its end.
//
// A Server answers health checks, tolerates the pings of every client that a
// contract can describe, closes connections at the age that the contract says,
// survives handlers that panic, and drains before it stops.
package serve

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/surefoot-rpc/surefoot/observe"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A Config is what a [Server] is made from.
type Config struct {
	// Channel is the contract's part on connections. The server reads its
	// Connection.MaxAge; zero never closes a connection for its age.
	Channel policy.Channel
	// Credentials secure the connections. Nil is plain text.
	Credentials credentials.TransportCredentials
	// DrainTimeout bounds the drain: calls that still run after it are cut.
	// Zero cuts them at once.
	DrainTimeout time.Duration
	// Observer is told of handlers that panic. Without it, or without its
	// Problem hook, the default logger of log/slog is.
	Observer *observe.Observer
	// Options are the user's own. They come after the server's, so that a single
	// value given here (credentials, keepalive, a limit) replaces the server's
	// and interceptors given to grpc.Chain*Interceptor run inside the server's.
	// None may be [Plain].
	Options []grpc.ServerOption
}

// A Server is a grpc.Server that keeps its half of a contract. Services are
// registered on it as on any grpc.Server, before Run or Serve. All its methods
// may be called from any goroutine.
type Server struct {
	*grpc.Server

	drainTimeout time.Duration
	problems     problems
	running      running
	health       *healthService
	addHealth    func()
	drains       atomic.Bool // drainOnce was called
	drainOnce    func() error
}

// New returns a server without services. It does not listen yet.
func New(cfg Config) *Server {
	s := &Server{
		drainTimeout: max(cfg.DrainTimeout, 0),
		problems:     problems{observer: cfg.Observer},
		health:       newHealthService(),
	}
	s.addHealth = sync.OnceFunc(func() { s.health.register(s.Server) })
	s.drainOnce = sync.OnceValue(s.drain)
	opts := append(transportOptions(cfg), s.interceptors()...)
	s.Server = grpc.NewServer(append(opts, cfg.Options...)...)
	return s
}

// RegisterService registers a service, as generated code asks for it. A health
// service of the user's replaces the built-in one. When the server drains, its
// Shutdown method is called if it has one, as grpc-go's, and its watches end.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if desc.ServiceName == healthpb.Health_ServiceDesc.ServiceName {
		s.health.replace(impl)
	}
	s.Server.RegisterService(desc, impl)
}

// SetServing says on the health service whether service is serving; "" is the
// server as a whole. Unless told, every registered service is. A drain stands
// before it: everything is NOT_SERVING from then on. A health service of the user's is
// told through its SetServingStatus method, as grpc-go's has it; one without
// that method is not told.
func (s *Server) SetServing(service string, serving bool) { s.health.setServing(service, serving) }

// Run listens on the TCP address addr, ":8443" for example, and serves until
// ctx is done or the process is told to end by SIGTERM or SIGINT; then it
// drains as [Server.Serve] does. A second signal ends the process at once.
func (s *Server) Run(ctx context.Context, addr string) error {
	lis, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("surefoot: server: %w", err)
	}
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer restore()
	return s.serve(ctx, lis, restore)
}

// Serve serves the connections of lis until ctx is done; then it drains: it
// answers health checks with NOT_SERVING, takes no new connections, tells
// clients to go elsewhere (GOAWAY), and waits for the running calls, at most
// for the drain timeout. It closes lis.
//
// It returns nil when no call was cut, a [*CutError] when some were, and the
// listener's error when lis fails before ctx is done; calls are drained then
// too. It returns nil as well when Stop or GracefulStop ended it, which are the
// caller's own. Serve does not listen to signals, since lis shows that the caller
// arranges the process: [signal.NotifyContext] makes the context for it. It may
// be called for several listeners at once; the first context that is done ends
// them all, with one drain and one result.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	return s.serve(ctx, lis, func() {})
}

// serve is Serve; it calls beforeDrain when ctx is done.
func (s *Server) serve(ctx context.Context, lis net.Listener, beforeDrain func()) error {
	s.addHealth()
	ended := make(chan error, 1)
	go func() { ended <- s.Server.Serve(lis) }()
	select {
	case <-ctx.Done():
		beforeDrain()
		err := s.drainOnce()
		<-ended //nolint:errcheck // at once: the drain closed the listener, which is all that it says
		return err
	case err := <-ended:
		switch {
		case err != nil:
		case s.drains.Load(): // another Serve's, which tells both what it cut
			return s.drainOnce()
		default: // Stop or GracefulStop
			return nil
		}
		if cut := s.drainOnce(); cut != nil {
			return fmt.Errorf("surefoot: server: %w (and %w)", err, cut)
		}
		return fmt.Errorf("surefoot: server: %w", err)
	}
}
