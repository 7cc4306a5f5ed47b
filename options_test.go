package surefoot_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
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
	server := []surefoot.ServerOption{surefoot.WithServerOptions(nil, grpc.MaxConcurrentStreams(1))}
	for _, o := range shared {
		client, server = append(client, o), append(server, o)
	}
	_, clientErr := surefoot.NewClient("dns:///inventory:7443", client...)
	_, serverErr := surefoot.NewServer(server...)
	expectMistakes(t, clientErr, append(wantShared, "WithDialOptions: argument 2 is nil: leave it out", "NewClient: argument 8 is nil: leave it out"))
	expectMistakes(t, serverErr, append(wantShared, "WithServerOptions: argument 1 is nil: leave it out", "NewServer: argument 7 is nil: leave it out"))
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
