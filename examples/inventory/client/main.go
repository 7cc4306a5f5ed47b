// Command client calls the example service:
//
//	go run ./examples/inventory/client -target 127.0.0.1:7443 get bolt
//	go run ./examples/inventory/client -target 127.0.0.1:7443 reserve bolt 3
//	go run ./examples/inventory/client -target 127.0.0.1:7443 watch bolt
//
// There is no deadline, retry or balancing in it: the contract in
// inventory.proto says all that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/resume"
)

func main() { os.Exit(command()) }

// command returns the exit code.
func command() int {
	target := flag.String("target", "127.0.0.1:7443", "`address` of the servers, such as dns:///inventory:7443")
	id := flag.String("id", "", "`name` of the reservation (default: the process number)")
	flag.Usage = usage
	flag.Parse()
	if *id == "" {
		*id = "client-" + strconv.Itoa(os.Getpid())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *target, *id, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			flag.Usage()
		}
		return 1
	}
	return 0
}

func usage() {
	fmt.Fprintln(flag.CommandLine.Output(), "usage: client [flags] get SKU | reserve SKU COUNT | watch SKU\nA SKU is bolt, nut or washer; flags:")
	flag.PrintDefaults()
}

var errUsage = errors.New("the command is not understood")

// run does one command and writes the answers to out.
func run(ctx context.Context, out io.Writer, target, id string, args []string) (err error) {
	client, err := surefoot.NewClient(target,
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	stub := inventoryv1.NewInventoryClient(client)
	switch {
	case len(args) == 2 && args[0] == "get":
		return get(ctx, out, stub, args[1])
	case len(args) == 3 && args[0] == "reserve":
		return reserve(ctx, out, stub, id, args[1], args[2])
	case len(args) == 2 && args[0] == "watch":
		return watch(ctx, out, stub, args[1])
	}
	return errUsage
}

func get(ctx context.Context, out io.Writer, stub inventoryv1.InventoryClient, sku string) error {
	reply, err := stub.Get(ctx, &inventoryv1.GetRequest{Sku: sku})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d %s in stock, says %s\n", reply.GetInStock(), reply.GetSku(), reply.GetServer())
	return err
}

func reserve(ctx context.Context, out io.Writer, stub inventoryv1.InventoryClient, id, sku, text string) error {
	count, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %q is no number of pieces", errUsage, text)
	}
	reply, err := stub.Reserve(ctx, &inventoryv1.ReserveRequest{Sku: sku, Count: count, ReservationId: id})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "reserved %d %s as %s, %d left, says %s\n", count, sku, id, reply.GetLeft(), reply.GetServer())
	return err
}

// watch prints every change until the user ends it. It goes on, on another
// server, when a server is lost.
func watch(ctx context.Context, out io.Writer, stub inventoryv1.InventoryClient, sku string) error {
	for change, err := range resume.Messages(ctx, stub.Watch, &inventoryv1.WatchRequest{Sku: sku}) {
		switch {
		case err != nil && ctx.Err() != nil: // the end that the user asked for
			return nil
		case err != nil:
			return err
		}
		if _, err := fmt.Fprintf(out, "revision %d: %d %s in stock, says %s\n", change.GetRevision(), change.GetInStock(), sku, change.GetServer()); err != nil {
			return err
		}
	}
	return nil
}
