package lab

import (
	"context"
	"fmt"
	"net/netip"
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
	children *spawner
	args     []string // that start a server
	dns      scenario.DNS
	work     time.Duration

	servers   map[int]*program
	accidents chan error // servers that ended without a fault
	delisting sync.WaitGroup
	keep      map[int]context.CancelFunc // calls a server's delisting off
}

// startTogether bounds how many servers start at a time, so that a large fleet
// does not start so slowly that each looks hung.
const startTogether = 16

// start starts servers 1 to n, waits until all listen, and lists them.
func (f *fleet) start(ctx context.Context, n int) error {
	for first := 1; first <= n; first += startTogether {
		last := min(first+startTogether-1, n)
		for i := first; i <= last; i++ {
			if err := f.launch(i); err != nil {
				return err
			}
		}
		for i := first; i <= last; i++ {
			if err := f.ready(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fleet) launch(n int) error {
	p, err := launch(f.children, f.args, fmt.Sprintf("server %d", n), protocol.ServeOrder{
		Name:   fmt.Sprintf("inventory-%d", n),
		Listen: netip.AddrPortFrom(f.world.address(n), servicePort).String(),
		Work:   f.work,
	}, "GOMAXPROCS=1")
	if err != nil {
		return err
	}
	f.servers[n] = p
	return nil
}

// ready waits until the server listens, lists it, and watches over it.
func (f *fleet) ready(ctx context.Context, n int) error {
	p := f.servers[n]
	if err := p.ready(ctx); err != nil {
		return err
	}
	f.names.list(f.world.address(n))
	go func() {
		<-p.exited
		if !p.doomed.Load() {
			select {
			case f.accidents <- p.death(context.WithoutCancel(ctx)):
			default: // enough is known
			}
		}
	}()
	return nil
}

// stop ends all servers.
func (f *fleet) stop() {
	for _, p := range f.servers {
		p.kill()
	}
	f.delisting.Wait()
}

// strike lets one fault happen to one server. ctx ends the run.
func (f *fleet) strike(ctx context.Context, kind scenario.FaultKind, n int) error {
	p, at := f.servers[n], f.world.address(n)
	switch kind {
	case scenario.Kill:
		p.kill()
		f.delistLater(ctx, n)
		return nil
	case scenario.Restart:
		f.keep[n]()
		if err := f.launch(n); err != nil {
			return err
		}
		return f.ready(ctx, n)
	case scenario.Stop:
		return p.signal(syscall.SIGSTOP)
	case scenario.Continue:
		return p.signal(syscall.SIGCONT)
	case scenario.SilentDrop:
		return f.world.silence(at)
	case scenario.Heal:
		return f.world.unsilence(at)
	}
	return fmt.Errorf("the lab cannot do the fault %q", kind)
}

// delistLater takes a dead server out of DNS after the time the scenario gives
// the registry, unless it is called off because the server comes back.
func (f *fleet) delistLater(ctx context.Context, n int) {
	ctx, f.keep[n] = context.WithCancel(ctx)
	if f.dns.DelistAfter == 0 {
		return
	}
	at := f.world.address(n)
	f.delisting.Go(func() {
		if wait(ctx, f.dns.DelistAfter) == nil {
			f.names.delist(at)
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
