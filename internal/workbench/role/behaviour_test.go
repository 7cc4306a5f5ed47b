package role

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// Of any hundred calls in a row, exactly the share is bad, and evenly.
func TestShareOfBadCalls(t *testing.T) {
	for share := range 101 {
		run, longest := 0, 0
		var n uint64 = 1
		for hundred := range 3 {
			count := 0
			for range 100 {
				run++
				if bad(n, share) {
					count++
					longest, run = max(longest, run), 0
				}
				n++
			}
			if count != share {
				t.Errorf("%d of hundred %d are bad, want %d", count, hundred, share)
			}
		}
		if share > 0 && longest > 100/share+1 {
			t.Errorf("at %d %% a bad call is up to %d after the one before", share, longest)
		}
	}
}

func TestWorkerBehaves(t *testing.T) {
	w := newWorker(protocol.ServeOrder{Name: "m", Work: 10 * time.Millisecond})
	tell := func(b protocol.Behave) {
		t.Helper()
		line, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.obey(strings.NewReader(string(line)+"\n"), nil); err != nil {
			t.Fatal(err)
		}
	}
	get := func() (time.Duration, codes.Code) {
		begun := time.Now()
		_, err := w.Get(t.Context(), &inventoryv1.GetRequest{Sku: sku})
		return time.Since(begun), status.Code(err)
	}
	wantLeast := func(least time.Duration, code codes.Code) {
		t.Helper()
		if took, got := get(); took < least || got != code {
			t.Errorf("a call took %v and ended with %v, want at least %v and %v", took, got, least, code)
		}
	}
	wantLeast(10*time.Millisecond, codes.OK)
	tell(protocol.Behave{Factor: 5})
	wantLeast(50*time.Millisecond, codes.OK)
	tell(protocol.Behave{Code: "NOT_FOUND", Share: 100})
	wantLeast(0, codes.NotFound)
	tell(protocol.Behave{Code: "INTERNAL", Share: 50})
	seen := map[codes.Code]int{}
	for range 4 {
		_, code := get()
		seen[code]++
	}
	if seen[codes.Internal] != 2 || seen[codes.OK] != 2 {
		t.Errorf("half of the calls end with %v", seen)
	}
	tell(protocol.Behave{})
	wantLeast(10*time.Millisecond, codes.OK)
}

func TestServeObeysTheLab(t *testing.T) {
	order := protocol.ServeOrder{Name: "inventory-7", Listen: freeAddress(t)}
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Serve(ctx, order, nil, in, out) })
	p.ready()
	conn, err := grpc.NewClient(order.Listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := json.NewEncoder(p.in).Encode(protocol.Behave{Code: "UNAVAILABLE", Share: 100}); err != nil {
		t.Fatal(err)
	}
	for code := codes.OK; code != codes.Unavailable; { // the line is on its way
		_, err := inventoryv1.NewInventoryClient(conn).Get(t.Context(), &inventoryv1.GetRequest{Sku: sku})
		code = status.Code(err)
	}
	if _, err := io.WriteString(p.in, "be worse\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err == nil || !strings.HasPrefix(err.Error(), `server inventory-7: told how to behave in "be worse"`) {
		t.Errorf("it ended with %v", err)
	}
}

// A server of the arm with MaxConnectionAge closes connections, whose ends the
// load program notes with the server that answered on them.
func TestConnectionsEndAtTheirAge(t *testing.T) {
	serve := protocol.ServeOrder{Name: "inventory-7", Listen: freeAddress(t), MaxAge: time.Second}
	server := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Serve(ctx, serve, nil, in, out) })
	server.ready()
	order := loadOrder("grpc-go round_robin + MaxConnectionAge", "dns:///"+serve.Listen)
	order.Keys = 3
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, nil, in, out) })
	p.ready()
	run := soon()
	run.From, run.Until = run.Start, run.Start.Add(4*time.Second)
	got := p.tally(run)
	if err := <-p.ended; err != nil {
		t.Fatal(err)
	}
	if len(got.Closed) < order.Clients {
		t.Errorf("%d connections ended in 4 s, of %d clients", len(got.Closed), order.Clients)
	}
	for _, c := range got.Closed {
		if c.Address != "127.0.0.1" || c.Server != "inventory-7" {
			t.Errorf("the end of a connection is noted as %+v", c)
		}
	}
	var streams int64
	for _, n := range got.Streams["127.0.0.1"] {
		streams += n
	}
	if len(got.Streams) != 1 || streams < got.Calls/2 || streams > got.Attempts { // calls are late on a busy machine
		t.Errorf("%d of %d calls are noted as attempts on the address: %v", streams, got.Calls, got.Streams)
	}
	for key := 1; key <= order.Keys; key++ {
		if stay := got.Keys[key]["inventory-7"]; stay.Last <= stay.First {
			t.Errorf("the calls of key %d are noted as %+v", key, got.Keys[key])
		}
	}
	server.stop()
	if err := <-server.ended; err != nil {
		t.Error(err)
	}
}

// A cold client's first call is one that counts.
func TestColdLoadMakesNoCallBefore(t *testing.T) {
	server := &moody{Service: inventory.New("m")}
	order := loadOrder("surefoot", server.start(t))
	order.Cold = true
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error {
		return Load(ctx, order, patient(), in, out)
	})
	p.ready()
	if n := server.calls.Load(); n != 0 {
		t.Errorf("%d calls before the run", n)
	}
	run := soon()
	run.From = run.Start
	if got := p.tally(run); got.Calls != server.calls.Load() || got.OK != got.Calls {
		t.Errorf("%d calls, %d ok, the server saw %d", got.Calls, got.OK, server.calls.Load())
	}
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
}
