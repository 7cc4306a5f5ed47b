package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// Deadline is the caller's, the same for all, and shorter than the contract's.
const Deadline = time.Second

// Call makes one call with the caller's deadline.
func Call(c inventoryv1.InventoryClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	_, err := c.Get(ctx, &inventoryv1.GetRequest{Sku: "anvil"})
	return err
}

// A Sample is what one run saw.
type Sample struct {
	PerSecond float64
	Allocs    float64       // per call, client and server together
	CPU       time.Duration // per call, client and server together
}

// Run makes calls from so many callers for about d.
func Run(c inventoryv1.InventoryClient, callers int, d time.Duration) (Sample, error) {
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
				if err := Call(c); err != nil {
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
		return Sample{}, fmt.Errorf("a call failed: %w", *err)
	}
	n := float64(max(calls.Load(), 1))
	return Sample{
		PerSecond: n / took.Seconds(),
		Allocs:    float64(after.Mallocs-before.Mallocs) / n,
		CPU:       time.Duration(float64(cpuTime()-cpu) / n),
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
