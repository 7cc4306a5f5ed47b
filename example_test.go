package surefoot_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	slogobserve "github.com/surefoot-rpc/surefoot/observe/slog"
)

// stock serves one item.
type stock struct {
	inventoryv1.UnimplementedInventoryServer
}

func (stock) Get(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	if r.GetSku() != "bolt" {
		return nil, status.Errorf(codes.NotFound, "there is no %s", r.GetSku())
	}
	return &inventoryv1.GetResponse{Sku: r.GetSku(), InStock: 7}, nil
}

// A server and a client of it, in one program.
func Example() {
	server, err := surefoot.NewServer(surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc))
	if err != nil {
		log.Fatal(err)
	}
	inventoryv1.RegisterInventoryServer(server, stock{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.Serve(ctx, lis) }()

	client, err := surefoot.NewClient("dns:///"+lis.Addr().String(), surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc))
	if err != nil {
		log.Fatal(err)
	}
	stub := inventoryv1.NewInventoryClient(client)

	item, err := stub.Get(ctx, &inventoryv1.GetRequest{Sku: "bolt"}) // its deadline is the contract's
	fmt.Println(item.GetInStock(), err)

	_, err = stub.Get(ctx, &inventoryv1.GetRequest{Sku: "nut"})
	fmt.Println(status.Code(err), status.Convert(err).Message())
	if story := (*surefoot.CallError)(nil); errors.As(err, &story) {
		fmt.Println(len(story.Call.Attempts), story.Verdict(), story.MayHaveBeenApplied())
	}

	_ = client.Close()
	stop() // or SIGTERM, under Run
	fmt.Println(<-served)
	// Output:
	// 7 <nil>
	// NotFound there is no nut
	// 1 answer false
	// <nil>
}

// What is observed goes to log/slog; an operator may change values while the
// client runs; and a person waits, so that calls fail fast.
func ExampleNewClient() {
	client, err := surefoot.NewClient("dns:///inventory:7443",
		surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc),
		surefoot.WithObserver(slogobserve.New(slog.Default())),
		surefoot.WithOverrides(yaml.Overrides("/etc/surefoot/overrides.yaml")),
		surefoot.WithProfile("interactive"),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}

// The contract of a service whose .proto is somebody else's stands in a file.
func ExampleWithContractFile() {
	file, err := yaml.Read("etcd.yaml")
	if err != nil {
		log.Print(err) // with the lines
		return
	}
	client, err := surefoot.NewClient("dns:///etcd:2379", surefoot.WithInsecure(), surefoot.WithContractFile(file))
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = client.Close() }()
}

// An interceptor of a call runs once, whatever is repeated; one of an attempt runs
// for each.
func ExampleWithAttemptInterceptor() {
	timed := func(what string) grpc.UnaryClientInterceptor {
		return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			start := time.Now()
			err := invoker(ctx, method, req, reply, cc, opts...)
			log.Printf("%s of %s: %v", what, method, time.Since(start))
			return err
		}
	}
	client, err := surefoot.NewClient("dns:///inventory:7443",
		surefoot.WithInsecure(),
		surefoot.WithDialOptions(grpc.WithChainUnaryInterceptor(timed("call"))),
		surefoot.WithAttemptInterceptor(timed("attempt"), nil),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}

// Whoever writes must know whether to write again.
func ExampleCallError() {
	client, err := surefoot.NewClient("dns:///inventory:7443", surefoot.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	_, err = inventoryv1.NewInventoryClient(client).Reserve(context.Background(), &inventoryv1.ReserveRequest{Sku: "bolt", Count: 1})
	var story *surefoot.CallError
	switch {
	case err == nil:
		log.Print("reserved")
	case !errors.As(err, &story):
		log.Printf("not a call of a Client: %v", err)
	case story.MayHaveBeenApplied():
		log.Printf("find out whether it is reserved: %v", err)
	case story.RepeatRefused():
		log.Printf("not reserved, and there is too much of it already: %v", err)
	default:
		log.Printf("not reserved, it is safe to call again: %v", err)
	}
}
