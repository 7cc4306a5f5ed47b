package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// servers is how many servers each client balances over.
const servers = 3

// deadline is the caller's, the same in both arms, and shorter than the
// contract's.
const deadline = time.Second

// A fixture is a set of plain servers on loopback and two clients of them.
type fixture struct {
	bare, kit inventoryv1.InventoryClient
	closers   []func()
}

type stock struct {
	inventoryv1.UnimplementedInventoryServer
}

func (stock) Get(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	return &inventoryv1.GetResponse{Sku: r.GetSku(), InStock: 1}, nil
}

func newFixture() (*fixture, error) {
	f := &fixture{}
	var (
		endpoints []resolver.Endpoint
		listen    net.ListenConfig
	)
	for range servers {
		lis, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s := grpc.NewServer()
		inventoryv1.RegisterInventoryServer(s, stock{})
		go func() { _ = s.Serve(lis) }()
		f.closers = append(f.closers, s.Stop)
		endpoints = append(endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: lis.Addr().String()}}})
	}
	name := func() grpc.DialOption {
		r := manual.NewBuilderWithScheme("bench")
		r.InitialState(resolver.State{Endpoints: endpoints})
		return grpc.WithResolvers(r)
	}
	bare, err := grpc.NewClient("bench:///inventory", name(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	if err != nil {
		return nil, err
	}
	kit, err := surefoot.NewClient("bench:///inventory", surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc), surefoot.WithDialOptions(name()))
	if err != nil {
		return nil, err
	}
	f.closers = append(f.closers, func() { _ = bare.Close() }, func() { _ = kit.Close() })
	f.bare, f.kit = inventoryv1.NewInventoryClient(bare), inventoryv1.NewInventoryClient(kit)
	for _, c := range []inventoryv1.InventoryClient{f.bare, f.kit} {
		if _, err := load(c, 1, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fixture) close() {
	for _, c := range f.closers {
		c()
	}
}

// call makes one call with the caller's deadline.
func call(c inventoryv1.InventoryClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	_, err := c.Get(ctx, &inventoryv1.GetRequest{Sku: "anvil"})
	return err
}

// A sample is what one run of load saw.
type sample struct {
	calls     int64
	perSecond float64
	allocs    float64       // per call, client and server together
	cpu       time.Duration // per call, client and server together
}

// load makes calls from so many callers for about d.
func load(c inventoryv1.InventoryClient, callers int, d time.Duration) (sample, error) {
	var (
		before, after runtime.MemStats
		wg            sync.WaitGroup
		calls         atomic.Int64
		failed        atomic.Pointer[error]
		stop          atomic.Bool
	)
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	for range callers {
		wg.Go(func() {
			n := int64(0)
			for !stop.Load() {
				if err := call(c); err != nil {
					failed.Store(&err)
					break
				}
				n++
			}
			calls.Add(n)
		})
	}
	wg.Wait()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if err := failed.Load(); err != nil {
		return sample{}, fmt.Errorf("a call failed: %w", *err)
	}
	n := float64(max(calls.Load(), 1))
	return sample{
		calls:     calls.Load(),
		perSecond: n / took.Seconds(),
		allocs:    float64(after.Mallocs-before.Mallocs) / n,
		cpu:       time.Duration(float64(cpuTime()-cpu) / n),
	}, nil
}

// cpuTime returns the processor time that this process has used. Beside it the
// wall clock also tells what the neighbours did.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
