package role

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
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

func (m *moody) Reserve(ctx context.Context, req *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	if n := m.calls.Add(1); m.every > 0 && n%m.every == 0 {
		return nil, status.Error(m.code, "in a mood")
	}
	return m.Service.Reserve(ctx, req)
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

// patient makes surefoot repeat nothing and probe nobody because a machine is
// slow, so that attempts can be counted.
func patient() []surefoot.ClientOption {
	return []surefoot.ClientOption{surefoot.WithContract(&surefootv1.Contract{
		ServiceName: inventoryv1.Inventory_ServiceDesc.ServiceName,
		Service:     &surefootv1.Service{Connection: &surefootv1.Connection{Liveness: &surefootv1.Liveness{Off: new(true)}}},
		Methods: map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			DeadlineMs: proto.Int64(60_000), AttemptTimeoutMs: proto.Int64(60_000),
		}}},
	})}
}
