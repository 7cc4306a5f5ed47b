package role

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// serving runs a server program until the test ends.
func serving(t *testing.T, order protocol.ServeOrder) *program {
	t.Helper()
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Serve(ctx, order, nil, in, out) })
	p.ready()
	return p
}

// stub calls the server at the address with plain grpc-go.
func stub(t *testing.T, address string) inventoryv1.InventoryClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return inventoryv1.NewInventoryClient(conn)
}

// counting makes a call count, whose caller gives up after the time.
func counting(ctx context.Context, after time.Duration) context.Context {
	return metadata.AppendToOutgoingContext(ctx, protocol.CallerHeader, strconv.FormatInt(int64(protocol.Now().Add(after)), 10))
}

func (p *program) tell(b protocol.Behave) {
	p.t.Helper()
	if err := json.NewEncoder(p.in).Encode(b); err != nil {
		p.t.Fatal(err)
	}
}

// served asks the server what it did. What it was told before it has obeyed by
// then.
func (p *program) served() protocol.Served {
	p.t.Helper()
	p.tell(protocol.Behave{Report: true})
	line := p.next()
	if line.Served == nil {
		p.t.Fatalf("asked what it did, it says %+v", line)
	}
	return *line.Served
}

// end stops the program, which must end in peace.
func (p *program) end() {
	p.t.Helper()
	p.stop()
	if err := <-p.ended; err != nil {
		p.t.Error(err)
	}
}

func TestServersCallTheNextLayer(t *testing.T) {
	for _, client := range []scenario.Client{scenario.GRPCRoundRobin, scenario.GRPCNaive, scenario.Surefoot} {
		t.Run(string(client), func(t *testing.T) {
			bottom := protocol.ServeOrder{Name: "bottom", Listen: freeAddress(t), Plain: client != scenario.Surefoot}
			b := serving(t, bottom)
			top := protocol.ServeOrder{
				Name: "top", Listen: freeAddress(t), Plain: bottom.Plain,
				Next: &protocol.Further{Client: string(client), Target: "dns:///" + bottom.Listen, AttemptTimeout: time.Minute},
			}
			p := serving(t, top)
			caller := stub(t, top.Listen)
			get := func(ctx context.Context) error {
				reply, err := caller.Get(ctx, &inventoryv1.GetRequest{Sku: sku}, grpc.WaitForReady(true))
				if err == nil && reply.GetServer() != "top" {
					t.Errorf("the reply is of %q", reply.GetServer())
				}
				return err
			}
			if err := get(t.Context()); err != nil { // does not count
				t.Fatal(err)
			}
			if err := get(counting(t.Context(), time.Hour)); err != nil {
				t.Fatal(err)
			}
			if top, bottom := p.served(), b.served(); top.Handled != 1 || bottom.Handled != 1 || top.Wasted+bottom.Wasted != 0 {
				t.Errorf("one call counts; the top did %+v, the bottom %+v", top, bottom)
			}
			b.tell(protocol.Behave{Code: "UNAVAILABLE", Share: 100})
			b.served()
			if err := get(counting(t.Context(), time.Hour)); status.Code(err) != codes.Unavailable {
				t.Errorf("the bottom fails, and the top ends with %v", err)
			}
			if n := b.served().Handled - 1; (n > 1) != (client != scenario.GRPCRoundRobin) {
				t.Errorf("the call made %d attempts at the bottom", n)
			}
			p.end()
			b.end()
		})
	}
}

// A server with one place works on one call at a time, on what was begun to its
// end, and not on calls whose callers left while they were in line.
func TestConcurrencyIsALine(t *testing.T) {
	const work = 100 * time.Millisecond
	w := newWorker(protocol.ServeOrder{Name: "m", Work: work, Concurrency: 1})
	get := func(ctx context.Context) error {
		_, err := w.Get(ctx, &inventoryv1.GetRequest{Sku: sku})
		return err
	}
	begun := time.Now()
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if err := get(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if took := time.Since(begun); took < 3*work {
		t.Errorf("three calls took %v: more than one was worked on at a time", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.slots <- struct{}{}
	if err := get(ctx); status.Code(err) != codes.Canceled {
		t.Errorf("a call whose caller has left the line ends with %v", err)
	}
	<-w.slots
}

func TestWorkForNobodyIsWasted(t *testing.T) {
	in := func(ctx context.Context, deadline protocol.Instant) context.Context {
		return metadata.NewIncomingContext(ctx, metadata.Pairs(protocol.CallerHeader, strconv.FormatInt(int64(deadline), 10)))
	}
	const most, work = time.Hour, 50 * time.Millisecond
	left, leave := context.WithCancel(t.Context())
	leave()
	tests := []struct {
		name   string
		ctx    context.Context
		wasted bool
	}{
		{"nobody counts it", t.Context(), false},
		{"the caller waits", in(t.Context(), protocol.Now().Add(most)), false},
		{"it gave up", in(t.Context(), protocol.Now()), true},
		{"the one between left", in(left, protocol.Now().Add(most)), true},
	}
	for _, test := range tests {
		// With a place of its own, work goes on when the caller has left.
		w := newWorker(protocol.ServeOrder{Name: "m", Work: work, Concurrency: 1})
		w.slots = make(chan struct{}, 100)
		for w.audit.report().Handled < 20 { // a line that was left is left at once, or not
			if _, err := w.Get(test.ctx, &inventoryv1.GetRequest{Sku: sku}); err != nil && status.Code(err) != codes.Canceled {
				t.Fatal(err)
			}
			if _, counts := caller(test.ctx); !counts {
				break
			}
		}
		if got := w.audit.report().Wasted; (got > 0) != test.wasted {
			t.Errorf("%s: %v were wasted", test.name, got)
		}
	}
}

// A reply is lost with its connection, after the write was applied; a client that
// repeats it applies it again.
func TestLostReplies(t *testing.T) {
	order := protocol.ServeOrder{Name: "m", Listen: freeAddress(t)}
	p := serving(t, order)
	caller := stub(t, order.Listen)
	reserve := func(name string) error {
		_, err := caller.Reserve(counting(t.Context(), time.Hour), &inventoryv1.ReserveRequest{Sku: sku, Count: 1, ReservationId: name}, grpc.WaitForReady(true))
		return err
	}
	if err := reserve("a"); err != nil {
		t.Fatal(err)
	}
	p.tell(protocol.Behave{Cut: true, Share: 100})
	p.served()
	for range 2 {
		if err := reserve("b"); status.Code(err) != codes.Unavailable {
			t.Errorf("a call whose reply is lost ends with %v", err)
		}
	}
	p.tell(protocol.Behave{})
	p.served()
	if err := reserve("c"); err != nil {
		t.Errorf("after recovery: %v", err)
	}
	if got := p.served().Applied; got["a"] != 1 || got["b"] != 2 || got["c"] != 1 || len(got) != 3 {
		t.Errorf("applied were %v", got)
	}
	p.end()
}

// Half of the calls are writes, each with a name of its own.
func TestLoadWrites(t *testing.T) {
	serve := protocol.ServeOrder{Name: "m", Listen: freeAddress(t)}
	server := serving(t, serve)
	order := loadOrder(scenario.GRPCRoundRobin, "dns:///"+serve.Listen)
	order.Writes, order.Audit = 50, true
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, nil, in, out) })
	p.ready()
	got := p.tally(soon())
	if err := <-p.ended; err != nil {
		t.Fatal(err)
	}
	served := server.served()
	for name, n := range served.Applied {
		if n != 1 {
			t.Errorf("%s was applied %d times", name, n)
		}
	}
	writes := int64(len(served.Applied))
	if got.Calls != planned || got.OK != planned || got.Reads.OK != planned-writes || writes < planned/2-3 || writes > planned/2+3 || served.Handled != planned {
		t.Errorf("%d calls, %d ok, %+v reads; the server did %d and applied %d writes", got.Calls, got.OK, got.Reads, served.Handled, writes)
	}
	server.end()
}
