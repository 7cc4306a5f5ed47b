package channel_test

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// grpc-go reads a bare socket as it reads its own: without a buffer for as long
// as there is nothing to read.
func TestAClientAtRestPinsNoReadBuffers(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	inventoryv1.RegisterInventoryServer(g, &server{name: "a"})
	go func() { _ = g.Serve(lis) }()
	defer g.Stop()
	client, err := surefoot.NewClient("passthrough:///"+lis.Addr().String(),
		surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := inventoryv1.NewInventoryClient(client).Get(ctx, getRequest); err != nil {
		t.Fatal(err)
	}
	var stacks [1 << 20]byte
	for ctx.Err() == nil {
		if strings.Contains(string(stacks[:runtime.Stack(stacks[:], true)]), "(*socketReader).ReadOnReady") {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("no connection waits in ReadOnReady: grpc-go does not know the method")
}
