// Package load makes unary calls through several clients of the same servers, by
// turns, and compares what they cost.
package load

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// Servers are plain servers of the inventory on loopback.
type Servers struct {
	servers   []*grpc.Server
	apart     *process // that runs them, nil if they are in this one
	endpoints []resolver.Endpoint
}

type stock struct {
	inventoryv1.UnimplementedInventoryServer
}

func (stock) Get(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	return &inventoryv1.GetResponse{Sku: r.GetSku(), InStock: 1}, nil
}

// Start starts n servers in this process.
func Start(n int) (*Servers, error) {
	s := &Servers{}
	var listen net.ListenConfig
	for range n {
		lis, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			s.Stop()
			return nil, err
		}
		g := grpc.NewServer()
		inventoryv1.RegisterInventoryServer(g, stock{})
		go func() { _ = g.Serve(lis) }() // until Stop
		s.servers = append(s.servers, g)
		s.add(lis.Addr().String())
	}
	return s, nil
}

// Target is the name under which [Servers.Option] finds the servers.
const Target = "bench:///inventory"

// Option returns what one client needs to find the servers.
func (s *Servers) Option() grpc.DialOption {
	r := manual.NewBuilderWithScheme("bench")
	r.InitialState(resolver.State{Endpoints: s.endpoints})
	return grpc.WithResolvers(r)
}

// Stop stops the servers.
func (s *Servers) Stop() {
	for _, g := range s.servers {
		g.Stop()
	}
	if s.apart != nil {
		s.apart.stop()
	}
}
