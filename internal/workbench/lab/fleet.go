package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// fleet is the servers of one run and the faults that strike them. One
// goroutine at a time may use it.
type fleet struct {
	world    world
	names    *nameserver
	registry registry // where servers are listed
	children *spawner
	args     []string // that start a server
	scenario *scenario.Scenario
	arm      scenario.Arm

	servers   map[int]*program
	accidents chan error // servers that ended without a fault
	delisting sync.WaitGroup
	keep      map[int]context.CancelFunc // calls a server's delisting off
}

// startTogether bounds how many servers start at a time, so that a large fleet
// does not start so slowly that each looks hung.
const startTogether = 16

// start starts the servers, waits until all listen, and lists them.
func (f *fleet) start(ctx context.Context, servers []int) error {
	for together := range slices.Chunk(servers, startTogether) {
		for _, i := range together {
			if err := f.launch(i); err != nil {
				return err
			}
		}
		for _, i := range together {
			if err := f.ready(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fleet) launch(n int) error {
	p, err := launch(f.children, f.args, fmt.Sprintf("server %d", n), f.order(n), "GOMAXPROCS=1")
	if err != nil {
		return err
	}
	f.servers[n] = p
	return nil
}

// order is what server n is told to be.
func (f *fleet) order(n int) protocol.ServeOrder {
	s := f.scenario
	order := protocol.ServeOrder{
		Name:   serverName(n),
		Listen: netip.AddrPortFrom(f.world.address(n), servicePort).String(),
		Work:   s.Fleet.Work, Concurrency: s.Fleet.Concurrency,
		Changes:     s.Load.Watch,
		SlowPercent: s.Fleet.SlowPercent, SlowWork: s.Fleet.SlowWork,
	}
	if f.arm.Client == scenario.GRPCMaxAge {
		order.MaxAge = s.Fleet.MaxConnectionAge
	}
	if s.Fleet.Layers > 1 {
		order.Plain = f.arm.Client != scenario.Surefoot
	}
	if layer := s.Layer(n); layer < s.Fleet.Layers {
		order.Next = &protocol.Further{
			Client: string(f.arm.Client), Target: f.world.target(layer + 1), Contract: f.arm.Contract.Document(), Profile: f.arm.Profile,
			AttemptTimeout: s.Load.AttemptTimeout, Timeout: s.Load.OwnTimeout,
		}
	}
	return order
}

// ready waits until the server listens, lists it, and watches over it.
func (f *fleet) ready(ctx context.Context, n int) error {
	p := f.servers[n]
	if err := p.ready(ctx); err != nil {
		return err
	}
	if err := f.registry.list(f.world.address(n)); err != nil {
		return err
	}
	go func() {
		<-p.exited
		if !p.doomed.Load() {
			f.accident(p.death(context.WithoutCancel(ctx)))
		}
	}()
	return nil
}

// accident tells that something happened which no fault explains.
func (f *fleet) accident(err error) {
	select {
	case f.accidents <- err:
	default: // enough is known
	}
}

// stop ends all servers.
func (f *fleet) stop() {
	for _, p := range f.servers {
		p.kill()
	}
	f.delisting.Wait()
}

// strike lets a fault happen to its servers, to all at once: none of them waits for
// the end or the start of another one's process. ctx ends the run.
func (f *fleet) strike(ctx context.Context, fault scenario.Fault) error {
	switch fault.Kind {
	case scenario.Kill:
		for _, n := range fault.Servers {
			f.servers[n].end()
		}
		for _, n := range fault.Servers {
			f.servers[n].kill()
			f.delistLater(ctx, n)
		}
		return nil
	case scenario.Restart:
		for _, n := range fault.Servers {
			f.keep[n]()
		}
		return f.start(ctx, fault.Servers)
	case scenario.Join:
		return f.start(ctx, fault.Servers)
	default:
		for _, n := range fault.Servers {
			if err := f.worsen(fault, n); err != nil {
				return err
			}
		}
		return nil
	}
}

// worsen lets one fault happen to one server whose process goes on.
func (f *fleet) worsen(fault scenario.Fault, n int) error {
	p, at := f.servers[n], f.world.address(n)
	switch fault.Kind {
	case scenario.Slow:
		return p.tell(protocol.Behave{Factor: fault.Factor})
	case scenario.Answer:
		return p.tell(protocol.Behave{Code: fault.Code, Share: fault.Share})
	case scenario.LoseReply:
		return p.tell(protocol.Behave{Cut: true, Share: fault.Share})
	case scenario.Recover:
		return p.tell(protocol.Behave{})
	case scenario.Stop:
		return p.signal(syscall.SIGSTOP)
	case scenario.Continue:
		return p.signal(syscall.SIGCONT)
	case scenario.SilentDrop:
		return f.world.silence(at)
	case scenario.Heal:
		return f.world.unsilence(at)
	case scenario.Kill, scenario.Restart, scenario.Join: // of processes
	case scenario.BadDNS: // strikes no server
	}
	return fmt.Errorf("the lab cannot do the fault %q", fault.Kind)
}

// delistLater takes a dead server out of DNS after the time the scenario gives
// the registry, unless it is called off because the server comes back.
func (f *fleet) delistLater(ctx context.Context, n int) {
	ctx, f.keep[n] = context.WithCancel(ctx)
	if f.scenario.DNS.DelistAfter == 0 {
		return
	}
	at := f.world.address(n)
	f.delisting.Go(func() {
		if wait(ctx, f.scenario.DNS.DelistAfter) == nil {
			if err := f.registry.delist(at); err != nil {
				f.accident(fmt.Errorf("delist server %d: %w", n, err))
			}
		}
	})
}

// wait returns after d, or with the context's error when that ends first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
