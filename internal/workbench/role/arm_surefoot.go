package role

import (
	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

func dialSurefoot(target string, contract []surefoot.ClientOption, more []grpc.DialOption) (channel, error) {
	return surefoot.NewClient(target, append([]surefoot.ClientOption{
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithDialOptions(more...),
	}, contract...)...)
}
