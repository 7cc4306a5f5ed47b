package role

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

func dialSurefoot(target string, attempts stats.Handler, contract []surefoot.ClientOption) (channel, error) {
	return surefoot.NewClient(target, append([]surefoot.ClientOption{
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithDialOptions(grpc.WithStatsHandler(attempts)),
	}, contract...)...)
}
