package role

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// moody fails every nth call and counts all.
type moody struct {
	*inventory.Service
	every int64 // 0 for never
	code  codes.Code
	calls atomic.Int64
}

func (m *moody) Get(ctx context.Context, req *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	if n := m.calls.Add(1); m.every > 0 && n%m.every == 0 {
		return nil, status.Error(m.code, "in a mood")
	}
	return m.Service.Get(ctx, req)
}

// start serves until the test ends and returns a target for clients.
func (m *moody) start(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	inventoryv1.RegisterInventoryServer(server, m)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(lis) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "dns:///" + lis.Addr().String()
}

// program runs one of the two programs as the lab does, with pipes for its
// standard input and output.
type program struct {
	t     *testing.T
	in    *io.PipeWriter
	lines *bufio.Scanner
	ended chan error
	stop  context.CancelFunc
}

func start(t *testing.T, run func(ctx context.Context, in io.Reader, out io.Writer) error) *program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	in, input := io.Pipe()
	output, out := io.Pipe()
	p := &program{t: t, in: input, lines: bufio.NewScanner(output), ended: make(chan error, 1), stop: stop}
	p.lines.Buffer(nil, 1<<20)
	go func() {
		err := run(ctx, in, out)
		_ = out.Close()
		p.ended <- err
	}()
	t.Cleanup(func() { stop(); _ = input.Close(); _ = output.Close() })
	return p
}

func (p *program) next() protocol.Line {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the program said no more: %v, %v", p.lines.Err(), <-p.ended)
	}
	var line protocol.Line
	if err := json.Unmarshal(p.lines.Bytes(), &line); err != nil {
		p.t.Fatalf("%q: %v", p.lines.Text(), err)
	}
	return line
}

func (p *program) ready() {
	p.t.Helper()
	if line := p.next(); !line.Ready {
		p.t.Fatalf("it is not ready and says %+v", line)
	}
}

// tally lets a load program run and returns what it counted.
func (p *program) tally(run protocol.Go) protocol.Tally {
	p.t.Helper()
	if err := json.NewEncoder(p.in).Encode(run); err != nil {
		p.t.Fatal(err)
	}
	for {
		if line := p.next(); line.Tally != nil {
			return *line.Tally
		}
	}
}

func loadOrder(arm scenario.Arm, target string) protocol.LoadOrder {
	return protocol.LoadOrder{
		Arm: string(arm), Target: target, Clients: 3, Of: 3,
		Rate: 100, Deadline: 5 * time.Second, BadAfter: 5 * time.Second,
	}
}

// soon is a short run: 100 ms of warm-up, 400 ms that count.
func soon() protocol.Go {
	now := protocol.Now()
	return protocol.Go{Start: now, From: now.Add(100 * time.Millisecond), Until: now.Add(500 * time.Millisecond), Slice: 40 * time.Millisecond}
}

const planned = 3 * 40 // calls that count: 3 clients, 100 calls per second, 400 ms

func TestLoadCountsEveryCallOnce(t *testing.T) {
	for _, arm := range scenario.Arms() {
		t.Run(string(arm), func(t *testing.T) {
			server := &moody{Service: inventory.New("m"), every: 7, code: codes.Internal} // nobody repeats those
			order := loadOrder(arm, server.start(t))
			p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, in, out) })
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
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, in, out) })
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

func TestLoadReportsProgress(t *testing.T) {
	server := &moody{Service: inventory.New("m")}
	order := loadOrder(scenario.GRPC, server.start(t))
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, in, out) })
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
	p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, in, out) })
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
			err := Load(t.Context(), test.order, strings.NewReader(test.in), io.Discard)
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
	err := Load(ctx, order, strings.NewReader(""), io.Discard)
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
	p := start(t, func(ctx context.Context, _ io.Reader, out io.Writer) error { return Serve(ctx, order, out) })
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
	err = Serve(t.Context(), protocol.ServeOrder{Name: "inventory-7", Listen: lis.Addr().String()}, &out)
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
