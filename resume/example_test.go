package resume_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/resume"
)

// serve returns a stub of a server in memory, and what ends both.
func serve() (inventoryv1.InventoryClient, func()) {
	lis := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	inventoryv1.RegisterInventoryServer(server, inventory.New("one"))
	go func() { _ = server.Serve(lis) }()
	client, err := surefoot.NewClient("static:///one:1",
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })))
	if err != nil {
		panic(err)
	}
	return inventoryv1.NewInventoryClient(client), func() { _ = client.Close(); server.Stop() }
}

func ExampleMessages() {
	stub, stop := serve()
	defer stop()
	ctx := context.Background()

	for m, err := range resume.Messages(ctx, stub.Watch, &inventoryv1.WatchRequest{Sku: "bolt"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("revision %d: %d in stock\n", m.GetRevision(), m.GetInStock())
		if m.GetRevision() == 3 {
			break
		}
		_, _ = stub.Reserve(ctx, &inventoryv1.ReserveRequest{Sku: "bolt", Count: 5, ReservationId: "example"})
	}
	// Output:
	// revision 1: 1000000 in stock
	// revision 2: 999995 in stock
	// revision 3: 999990 in stock
}

func ExampleKeepalive() {
	stub, stop := serve()
	defer stop()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()

	err := resume.Keepalive(ctx, stub.KeepAlive, &inventoryv1.KeepAliveRequest{LeaseId: "example", TtlMs: 10_000},
		func(r *inventoryv1.KeepAliveResponse) time.Duration {
			fmt.Printf("%s holds for %d s\n", r.GetLeaseId(), r.GetTtlMs()/1000)
			leave() // the work is done
			return time.Duration(r.GetTtlMs()) * time.Millisecond
		})
	var lost *resume.LostError
	fmt.Println("lost:", errors.As(err, &lost))
	// Output:
	// example holds for 10 s
	// lost: false
}
