// Command bench measures what Surefoot costs on the path of a call, beside
// bare grpc-go with round_robin in the same process and the same run:
//
//	go run ./bench
//
// The two take turns, so that a noisy neighbour disturbs both. What is printed
// is the median of the repetitions. The module in bench/peers does the same
// beside what others build.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/bench/internal/load"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

func main() {
	repetitions := flag.Int("repetitions", 101, "how often each client runs")
	span := flag.Duration("time", 60*time.Millisecond, "how long each run lasts")
	flag.Parse()
	if err := run(*repetitions, *span); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// servers is how many servers each client balances over.
const servers = 3

func run(repetitions int, span time.Duration) error {
	arms, stop, err := clients()
	if err != nil {
		return err
	}
	defer stop()
	return load.Compare(os.Stdout, arms, repetitions, span)
}

// clients returns both clients, and what ends them and their servers.
func clients() (arms []load.Arm, stop func(), err error) {
	s, err := load.Start(servers)
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
