package role

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// serve is the same server for every arm, so that the arms differ in their
// clients only, and in the age of connections where the arm's name says so.
func serve(ctx context.Context, lis net.Listener, service inventoryv1.InventoryServer, maxAge time.Duration) error {
	var options []grpc.ServerOption
	if maxAge > 0 {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: maxAge}))
	}
	server, err := surefoot.NewServer(
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithServerOptions(options...),
	)
	if err != nil {
		return err
	}
	inventoryv1.RegisterInventoryServer(server, service)
	return server.Serve(ctx, lis)
}
