// Command bench measures what Surefoot costs on the path of a call, beside
// bare grpc-go with round_robin in the same process and the same run:
//
//	go run ./bench
//
// The two take turns, so that a noisy neighbour disturbs both. What is printed
// is the median of the repetitions. The servers are in a process of their own, as
// in life: processor time and allocations are those of the clients alone. With
// -together they share that of the clients, and its scheduler, which flatters bare
// grpc-go if there is one caller: the pings with which it sizes its windows keep
// threads awake that the servers need too.
// The module in bench/peers does the same beside what others build.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/bench/internal/load"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

func main() {
	load.ServeIfAsked()
	repetitions := flag.Int("repetitions", 101, "how often each client runs")
	span := flag.Duration("time", 60*time.Millisecond, "how long each run lasts")
	together := flag.Bool("together", false, "run the servers in the process of the clients")
	flag.Parse()
	start := load.StartApart
	if *together {
		start = load.Start
	}
	if err := run(os.Stdout, start, *repetitions, *span); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// servers is how many servers each client balances over.
const servers = 3

func run(w io.Writer, start func(n int) (*load.Servers, error), repetitions int, span time.Duration) error {
	arms, stop, err := clients(start)
	if err != nil {
		return err
	}
	defer stop()
	return load.Compare(w, arms, repetitions, span)
}

// clients returns both clients, and what ends them and the servers that are started.
func clients(start func(n int) (*load.Servers, error)) (arms []load.Arm, stop func(), err error) {
	s, err := start(servers)
	if err != nil {
		return nil, nil, err
	}
	bare, err := grpc.NewClient(load.Target, s.Option(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	if err != nil {
		s.Stop()
		return nil, nil, err
	}
	kit, err := surefoot.NewClient(load.Target, surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc), surefoot.WithDialOptions(s.Option()))
	if err != nil {
		_ = bare.Close()
		s.Stop()
		return nil, nil, err
	}
	return []load.Arm{{Name: "bare", Client: inventoryv1.NewInventoryClient(bare)}, {Name: "surefoot", Client: inventoryv1.NewInventoryClient(kit)}},
		func() {
			_ = kit.Close()
			_ = bare.Close()
			s.Stop()
		}, nil
}
