package role

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// worker is the example service with calls that take a while, so that there
// are calls in flight when a fault strikes, and that can be told to be slow or
// to answer badly.
type worker struct {
	*inventory.Service
	work   time.Duration
	now    atomic.Pointer[protocol.Behave] // nil while all is well
	number atomic.Uint64                   // of calls so far
}

// Get answers as the worker behaves now.
func (w *worker) Get(ctx context.Context, req *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	work := w.work
	if b := w.now.Load(); b != nil {
		if bad(w.number.Add(1), b.Share) {
			return nil, status.Errorf(codeOf(b.Code), "%s, as the scenario wants it", b.Code)
		}
		if b.Factor > 0 {
			work = time.Duration(float64(work) * b.Factor)
		}
	}
	if err := wait(ctx, work); err != nil {
		return nil, err
	}
	return w.Service.Get(ctx, req)
}

// bad says whether the nth call is one of share in 100, spread evenly.
func bad(n uint64, share int) bool {
	of := uint64(max(share, 0))
	return n*of/100 != (n-1)*of/100
}

// obey changes the behaviour with each line of in, until it ends.
func (w *worker) obey(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var b protocol.Behave
		if err := json.Unmarshal(lines.Bytes(), &b); err != nil {
			return fmt.Errorf("told how to behave in %q: %w", lines.Text(), err)
		}
		w.now.Store(&b)
	}
	return lines.Err()
}
