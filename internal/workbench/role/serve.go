package role

import (
	"context"
	"net"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// serve is the same server for every arm, so that the arms differ in their
// clients only.
func serve(ctx context.Context, lis net.Listener, service inventoryv1.InventoryServer) error {
	server, err := surefoot.NewServer(
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
	)
	if err != nil {
		return err
	}
	inventoryv1.RegisterInventoryServer(server, service)
	return server.Serve(ctx, lis)
}
