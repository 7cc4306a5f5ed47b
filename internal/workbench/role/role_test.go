package role

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func loadOrder(client scenario.Client, target string) protocol.LoadOrder {
	return protocol.LoadOrder{
		Arm: string(client), Client: string(client), Target: target, Clients: 3, Of: 3,
		Rate: 100, Deadline: 5 * time.Second, BadAfter: 5 * time.Second, AttemptTimeout: 5 * time.Second,
	}
}

// soon is a short run: 100 ms of warm-up, 400 ms that count.
func soon() protocol.Go {
	now := protocol.Now()
	return protocol.Go{Start: now, From: now.Add(100 * time.Millisecond), Until: now.Add(500 * time.Millisecond), Slice: 40 * time.Millisecond}
}

const planned = 3 * 40 // calls that count: 3 clients, 100 calls per second, 400 ms

func TestLoadCountsEveryCallOnce(t *testing.T) {
	for _, arm := range scenario.Clients() {
		t.Run(string(arm), func(t *testing.T) {
			server := &moody{Service: inventory.New("m"), every: 7, code: codes.Internal} // nobody repeats those
			order := loadOrder(arm, server.start(t))
			p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error {
				return Load(ctx, order, patient(), in, out)
			})
			p.ready()
			got := p.tally(soon())
			if err := <-p.ended; err != nil {
				t.Fatal(err)
			}
			failed := got.Errors["INTERNAL"]
			if got.Calls != planned || got.OK+failed != planned || len(got.Errors) != 1 {
				t.Errorf("%d calls, %d ok, errors %v; want %d, of them some INTERNAL", got.Calls, got.OK, got.Errors, planned)
			}
			if low, high := int64(planned/7-2), int64(planned/7+2); failed < low || failed > high {
				t.Errorf("%d calls failed, want every seventh", failed)
			}
			if got.Replies["m"] != got.OK || len(got.Replies) != 1 {
				t.Errorf("replies %v of %d calls that succeeded", got.Replies, got.OK)
			}
			if got.Attempts != planned {
				t.Errorf("%d attempts of %d calls that nobody repeats", got.Attempts, planned)
			}
			if got.Bad != failed || (failed > 0) != (got.LastBad > 0) {
				t.Errorf("%d bad calls, the last at %d; %d failed and none was slow", got.Bad, got.LastBad, failed)
			}
			var slices protocol.Slice
			for _, s := range got.Slices {
				slices.Calls += s.Calls
				slices.Bad += s.Bad
			}
			if slices.Calls != got.Calls || slices.Bad != got.Bad {
				t.Errorf("the slices add up to %+v", slices)
			}
		})
	}
}

// What a client repeats is one call of several attempts.
func TestLoadCountsRepeatsAsAttempts(t *testing.T) {
	server := &moody{Service: inventory.New("m"), every: 10, code: codes.Unavailable}
	order := loadOrder(scenario.Surefoot, server.start(t))
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error {
		return Load(ctx, order, patient(), in, out)
	})
	p.ready()
	run := soon()
	run.From = run.Start // so that all that the server sees is counted
	before := server.calls.Load()
	got := p.tally(run)
	if err := <-p.ended; err != nil {
		t.Fatal(err)
	}
	if seen := server.calls.Load() - before; got.Attempts != seen || got.Attempts <= got.Calls {
		t.Errorf("%d attempts of %d calls were counted, the server saw %d", got.Attempts, got.Calls, seen)
	}
	if failed := got.Calls - got.OK; failed != 0 && got.Errors["UNAVAILABLE"] != failed {
		t.Errorf("%d calls failed: %v", failed, got.Errors)
	}
}

// What became of writes that failed is counted with what their errors say of it.
func TestErrorsOfWrites(t *testing.T) {
	for _, test := range []struct {
		name     string
		client   scenario.Client
		answered bool
		says     bool
	}{
		{"surefoot's, after an answer", scenario.Surefoot, true, true},
		{"grpc-go's, after an answer", scenario.GRPC, true, false},
		{"surefoot's, and nobody is there", scenario.Surefoot, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := freeAddress(t)
			if test.answered {
				server := &moody{Service: inventory.New("m"), every: 7, code: codes.Internal} // no breaker opens
				target = server.start(t)
			}
			order := loadOrder(test.client, target)
			order.Writes, order.Cold, order.Deadline = 100, true, 100*time.Millisecond
			if test.answered {
				order.Deadline = time.Minute
			}
			p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error {
				return Load(ctx, order, patient(), in, out)
			})
			p.ready()
			tally := p.tally(soon())
			if err := <-p.ended; err != nil {
				t.Fatal(err)
			}
			failed, got := tally.Calls-tally.OK, tally.Failed
			sent, unsent := failed, int64(0)
			if !test.answered {
				sent, unsent = 0, failed
			}
			if failed == 0 || got.Sent != sent || got.Unsent != unsent || got.Overstated != 0 {
				t.Errorf("%d failed: %+v", failed, got)
			}
			silent := int64(len(got.Silent))
			if test.says && silent != 0 || !test.says && silent != failed {
				t.Errorf("the errors of %d writes of %d are silent", silent, failed)
			}
			for name, was := range got.Silent {
				if was != test.answered {
					t.Errorf("write %s was sent: %v", name, was)
				}
			}
		})
	}
}

// An attempt belongs to its call, however late it is made.
func TestAttemptsCountWithTheirCall(t *testing.T) {
	now := protocol.Now()
	past := protocol.Go{From: now.Add(-2 * time.Second), Until: now.Add(-time.Second), Slice: time.Second}
	tests := []struct {
		name    string
		planned protocol.Instant // 0 for a stream that belongs to no call
		want    int64
	}{
		{"of a call that counts", past.From, 1},
		{"of a call that does not", past.Until, 0},
		{"a probe, now", 0, 0},
	}
	for _, test := range tests {
		recorder := protocol.NewRecorder(past, time.Second)
		a := newAttempts()
		ctx := t.Context()
		if test.planned != 0 {
			ctx = context.WithValue(ctx, makingKey{}, &making{planned: test.planned})
		}
		a.HandleRPC(ctx, &stats.Begin{}) // before the run is known
		a.recorder.Store(recorder)
		a.HandleRPC(ctx, &stats.Begin{})
		a.HandleRPC(ctx, &stats.End{})
		if tally, err := recorder.Tally(); err != nil || tally.Attempts != test.want {
			t.Errorf("%s: %d were counted (%v), want %d", test.name, tally.Attempts, err, test.want)
		}
	}
}

func TestLoadReportsProgress(t *testing.T) {
	server := &moody{Service: inventory.New("m")}
	order := loadOrder(scenario.GRPC, server.start(t))
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, nil, in, out) })
	p.ready()
	if err := json.NewEncoder(p.in).Encode(soon()); err != nil {
		t.Fatal(err)
	}
	reports, last := 0, protocol.Progress{}
	for {
		line := p.next()
		if line.Tally != nil {
			break
		}
		if line.Progress == nil || line.Progress.Calls < last.Calls || line.Progress.Failed != 0 {
			t.Fatalf("after %+v it says %+v", last, line)
		}
		reports, last = reports+1, *line.Progress
	}
	if reports == 0 {
		t.Error("there was no progress in half a second")
	}
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	server := &moody{Service: inventory.New("m")}
	order := loadOrder(scenario.GRPC, server.start(t))
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, nil, in, out) })
	p.ready()
	run := soon()
	run.Until = run.Start.Add(time.Hour)
	if err := json.NewEncoder(p.in).Encode(run); err != nil {
		t.Fatal(err)
	}
	p.next() // it calls
	p.stop()
	for p.lines.Scan() { // reports that were on their way
		if strings.Contains(p.lines.Text(), "tally") {
			t.Error("it reports a tally of half a run")
		}
	}
	if err := <-p.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	server := &moody{Service: inventory.New("m")}
	target := server.start(t)
	tests := []struct {
		name  string
		order protocol.LoadOrder
		in    string
		want  string
	}{
		{"an unknown arm", loadOrder("other", target), "", `arm other: no client for the arm "other"`},
		{"to go without an order", loadOrder(scenario.GRPC, target), "", "no order to go: EOF"},
		{"an order that is none", loadOrder(scenario.GRPC, target), "now!\n", "the order to go: invalid character 'o'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Load(t.Context(), test.order, nil, strings.NewReader(test.in), io.Discard)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestLoadSaysWhoHadNoAnswer(t *testing.T) {
	server := &moody{Service: inventory.New("m"), every: 1, code: codes.Internal}
	order := loadOrder(scenario.GRPC, server.start(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := Load(ctx, order, nil, strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "client 2 of arm grpc-go had no answer from "+order.Target) {
		t.Errorf("got %v", err)
	}
}

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

func TestServeAnswersUnderItsNameAfterItsWork(t *testing.T) {
	order := protocol.ServeOrder{Name: "inventory-7", Listen: freeAddress(t), Work: 30 * time.Millisecond}
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Serve(ctx, order, nil, in, out) })
	p.ready()
	conn, err := grpc.NewClient(order.Listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begun := time.Now()
	reply, err := inventoryv1.NewInventoryClient(conn).Get(t.Context(), &inventoryv1.GetRequest{Sku: sku})
	if err != nil || reply.GetServer() != "inventory-7" {
		t.Errorf("the reply is of %q, %v", reply.GetServer(), err)
	}
	if took := time.Since(begun); took < order.Work {
		t.Errorf("it answered after %v, which is less than its work of %v", took, order.Work)
	}
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestServeSaysThatItsAddressIsTaken(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	var out strings.Builder
	err = Serve(t.Context(), protocol.ServeOrder{Name: "inventory-7", Listen: lis.Addr().String()}, nil, strings.NewReader(""), &out)
	if err == nil || !strings.HasPrefix(err.Error(), "server inventory-7: listen tcp") || out.Len() > 0 {
		t.Errorf("got %v and the lines %q", err, out.String())
	}
}

func TestCodeNames(t *testing.T) {
	for c, want := range map[codes.Code]string{codes.OK: "OK", codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.Canceled: "CANCELLED", 99: "CODE_99"} {
		if got := codeName(c); got != want {
			t.Errorf("%d is named %s, want %s", c, got, want)
		}
	}
}
