package call_test

import (
	"context"
	"log"
	"time"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// Options of a call narrow what its contract allows.
func Example() {
	client, err := surefoot.NewClient("dns:///inventory:7443", surefoot.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	stub := inventoryv1.NewInventoryClient(client)

	ctx := call.WithHashKey(context.Background(), "customer-7") // for consistent_hash
	_, err = stub.Get(ctx, &inventoryv1.GetRequest{Sku: "bolt"}, call.Deadline(300*time.Millisecond), call.NoHedge())
	if err != nil {
		log.Print(err)
	}
}
