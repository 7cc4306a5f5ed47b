// Command server runs the example service until it is told to end:
//
//	go run ./examples/inventory/server -addr 127.0.0.1:7443
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7443", "`address` and port to listen on")
	name := flag.String("name", "", "what the server calls itself in its answers (default: its address)")
	flag.Parse()
	if *name == "" {
		*name = *addr
	}
	if err := run(context.Background(), *addr, *name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until the process gets SIGINT or SIGTERM and the calls in flight
// are done.
func run(ctx context.Context, addr, name string) error {
	server, err := surefoot.NewServer(
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
	)
	if err != nil {
		return err
	}
	inventoryv1.RegisterInventoryServer(server, inventory.New(name))
	fmt.Printf("inventory %s: end with Ctrl-C\n", name)
	return server.Run(ctx, addr)
}
