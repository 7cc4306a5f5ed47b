// Command peers measures what comparable guards cost on the path of a call: those
// of Surefoot, of go-grpc-middleware and of failsafe-go, each beside bare grpc-go
// with round_robin in the same process and the same run; the servers are in a process
// of their own. README.md says what each is given to do.
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
	load.ServeIfAsked()
	repetitions := flag.Int("repetitions", 101, "how often each client runs")
	span := flag.Duration("time", 60*time.Millisecond, "how long each run lasts")
	flag.Parse()
	if err := run(*repetitions, *span); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// servers is how many servers each client balances over.
const servers = 3

func run(repetitions int, span time.Duration) error {
	s, err := load.StartApart(servers)
	if err != nil {
		return err
	}
	defer s.Stop()
	var arms []load.Arm
	for _, c := range []struct {
		name        string
		interceptor []grpc.UnaryClientInterceptor
	}{
		{"bare", nil},
		{"middleware", middleware()},
		{"failsafe", guards()},
	} {
		cc, err := grpc.NewClient(load.Target, s.Option(),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
			grpc.WithChainUnaryInterceptor(c.interceptor...))
		if err != nil {
			return err
		}
		defer func() { _ = cc.Close() }() // at the end of the run
		arms = append(arms, load.Arm{Name: c.name, Client: inventoryv1.NewInventoryClient(cc)})
	}
	kit, err := surefoot.NewClient(load.Target, surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc), surefoot.WithDialOptions(s.Option()))
	if err != nil {
		return err
	}
	defer func() { _ = kit.Close() }()
	arms = append(arms, load.Arm{Name: "surefoot", Client: inventoryv1.NewInventoryClient(kit)})
	return load.Compare(os.Stdout, arms, repetitions, span)
}
