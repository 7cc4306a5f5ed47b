package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/serve"
)

// addressVariable makes the test binary a server on the address that it holds.
const addressVariable = "SUREFOOT_SERVE_TEST_ADDRESS"

func TestMain(m *testing.M) {
	if addr := os.Getenv(addressVariable); addr != "" {
		os.Exit(serveProcess(addr))
	}
	goleak.VerifyTestMain(m)
}

// serveProcess is a server whose Get says on stdout that it runs and ends with
// the next line on stdin. It returns the process's exit code.
func serveProcess(addr string) int {
	in := bufio.NewReader(os.Stdin)
	s := serve.New(serve.Config{DrainTimeout: time.Minute})
	inventoryv1.RegisterInventoryServer(s, &backend{get: func(context.Context) error {
		fmt.Println("running")
		_, err := in.ReadString('\n')
		return err
	}})
	if err := s.Run(context.Background(), addr); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("drained")
	return 0
}

// process is a server in a process of its own, with one call running and a
// watch on its health.
type process struct {
	cmd     *exec.Cmd
	out     *bufio.Reader
	in      io.Writer
	running chan error
	health  grpc.ServerStreamingClient[healthpb.HealthCheckResponse]
}

func startProcess(t *testing.T) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	addr := freeAddress(t)
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0]), running: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), addressVariable+"="+addr)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if p.health, err = healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	p.expectHealth(t, healthpb.HealthCheckResponse_SERVING)
	go func() { p.running <- get(ctx, conn) }()
	p.expectLine(t, "running\n")
	return p
}

func (p *process) expectHealth(t *testing.T, want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	got, err := p.health.Recv()
	if err != nil || got.GetStatus() != want {
		t.Fatalf("the server's health: %v, %v, want %v", got, err, want)
	}
}

func (p *process) expectLine(t *testing.T, want string) {
	t.Helper()
	if got, err := p.out.ReadString('\n'); err != nil || got != want {
		t.Fatalf("the server said %q, %v, want %q", got, err, want)
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// freeAddress returns an address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().String()
}

func TestSignalDrains(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) {
			p := startProcess(t)
			p.signal(t, s)
			p.expectHealth(t, healthpb.HealthCheckResponse_NOT_SERVING)
			if _, err := io.WriteString(p.in, "\n"); err != nil {
				t.Fatal(err)
			}
			if err := <-p.running; err != nil {
				t.Errorf("the running call: %v", err)
			}
			p.expectLine(t, "drained\n")
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("the process ended with %v", err)
			}
		})
	}
}

func TestSecondSignalEndsTheProcess(t *testing.T) {
	p := startProcess(t)
	p.signal(t, syscall.SIGTERM)
	p.expectHealth(t, healthpb.HealthCheckResponse_NOT_SERVING)
	p.signal(t, syscall.SIGTERM)
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v, want the signal", err)
	}
	if err := <-p.running; err == nil {
		t.Error("the running call succeeded")
	}
}
