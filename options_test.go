package surefoot_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A nil in a list is a mistake like any other: told at construction with the
// rest, and which one it is. A nil that says "none" is none.
func TestNilArgumentsAreReported(t *testing.T) {
	both := surefoot.Option(nil)
	shared := []surefoot.Option{
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc, nil),
		surefoot.WithServiceDescriptor(nil, protoreflect.ServiceDescriptor(nil)),
		surefoot.WithContract(nil, &surefootv1.Contract{ServiceName: "etcdserverpb.KV", Methods: map[string]*surefootv1.MethodContract{"Range": nil}}),
		surefoot.WithHouseDefaults(nil),
		surefoot.WithObserver(nil),
		both,
	}
	wantShared := []string{
		"WithService: argument 2 is nil: pass the generated descriptor, such as &inventoryv1.Inventory_ServiceDesc",
		"WithServiceDescriptor: argument 1 is nil: ",
		"WithServiceDescriptor: argument 2 is nil: ",
		"WithContract: argument 1 is nil: ",
		"no credentials: ",
	}
	client := []surefoot.ClientOption{
		surefoot.WithDialOptions(grpc.WithUserAgent("test"), nil),
		surefoot.WithAttemptInterceptor(nil, nil),
	}
	server := []surefoot.ServerOption{surefoot.WithServerOptions(nil, grpc.MaxConcurrentStreams(1),
		grpc.UnaryInterceptor(nil), grpc.StreamInterceptor(nil), grpc.ChainUnaryInterceptor(), grpc.ChainStreamInterceptor())}
	for _, o := range shared {
		client, server = append(client, o), append(server, o)
	}
	_, clientErr := surefoot.NewClient("dns:///inventory:7443", client...)
	_, serverErr := surefoot.NewServer(server...)
	expectMistakes(t, clientErr, append(wantShared, "WithDialOptions: argument 2 is nil: leave it out", "NewClient: argument 8 is nil: leave it out"))
	expectMistakes(t, serverErr, append(wantShared, "WithServerOptions: argument 1 is nil: leave it out",
		"WithServerOptions: grpc.UnaryInterceptor would run before the server's own interceptors, ", "WithServerOptions: grpc.StreamInterceptor would run before the server's own interceptors, ",
		"NewServer: argument 7 is nil: leave it out"))
}

// expectMistakes fails t unless err says each of want, and nothing more.
func expectMistakes(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q:\n%v", w, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
		t.Errorf("%d mistakes, want %d:\n%v", n, len(want), err)
	}
}

// What WithDialOptions says of grpc-go's options that have no effect.
func TestDialOptionsThatTheContractDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t)
		client := inMemoryClient(t, func(ctx context.Context, _ string) (net.Conn, error) { return s.lis.DialContext(ctx) },
			grpc.WithTransportCredentials(credentials.NewTLS(nil)),
			grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "timeout": "0.000000001s"}]}`),
			grpc.WithIdleTimeout(time.Second),
		)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := healthpb.NewHealthClient(client).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
			t.Errorf("credentials or a service config took effect: %v", err)
		}
		if c := client.GetMethodConfig("/grpc.health.v1.Health/Check"); c.Timeout != nil {
			t.Errorf("the service config took effect: %+v", c)
		}
		<-time.After(time.Hour)
		if state := client.GetState(); state != connectivity.Ready {
			t.Errorf("after an hour the channel is %v", state)
		}
		s.drain()
		<-s.result
	})
}

func TestConnectParamsAreTheContracts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := inMemoryClient(t, func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done() // nobody answers
			return nil, ctx.Err()
		}, grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Hour}))
		began := time.Now()
		client.Connect()
		for state := client.GetState(); state != connectivity.TransientFailure; state = client.GetState() {
			client.WaitForStateChange(t.Context(), state)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("a connect was given up after %v, want the house default of 1s", took)
		}
	})
}

func TestACredentialsBundleIsAnError(t *testing.T) {
	_, err := surefoot.NewClient("dns:///inventory:7443", surefoot.WithInsecure(),
		surefoot.WithDialOptions(grpc.WithCredentialsBundle(insecure.NewBundle())))
	if err == nil || !strings.Contains(err.Error(), "credentials.Bundle may not be used with individual TransportCredentials") {
		t.Errorf("got %v", err)
	}
}

// inMemoryClient returns a client whose only endpoint is what dial connects to.
func inMemoryClient(t *testing.T, dial func(context.Context, string) (net.Conn, error), opts ...grpc.DialOption) *surefoot.Client {
	t.Helper()
	client, err := surefoot.NewClient("passthrough:///memory", surefoot.WithInsecure(),
		surefoot.WithDialOptions(append(opts, grpc.WithContextDialer(dial))...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
