package role

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// serve is the same server for every arm, so that the arms differ in their
// clients only, and in the age of connections where the arm's name says so. Only
// where servers are clients too they are as plain as these.
func serve(ctx context.Context, lis net.Listener, service inventoryv1.InventoryServer, order protocol.ServeOrder) error {
	if order.Plain {
		return servePlain(ctx, lis, service)
	}
	var options []grpc.ServerOption
	if order.MaxAge > 0 {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: order.MaxAge}))
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

// servePlain serves with grpc-go as it comes, until ctx ends.
func servePlain(ctx context.Context, lis net.Listener, service inventoryv1.InventoryServer) error {
	server := grpc.NewServer()
	inventoryv1.RegisterInventoryServer(server, service)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	return server.Serve(lis)
}
