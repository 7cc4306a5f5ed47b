package load

import (
	"context"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// The servers run this program.
func TestMain(m *testing.M) {
	ServeIfAsked()
	os.Exit(m.Run())
}

func TestServersOfAProcessOfTheirOwnAnswerUntilTheyAreStopped(t *testing.T) {
	s, err := StartApart(2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if len(s.endpoints) != 2 || len(s.servers) != 0 {
		t.Errorf("%d servers elsewhere, %d here", len(s.endpoints), len(s.servers))
	}
	cc, err := grpc.NewClient(Target, s.Option(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	get := func() error {
		_, err := inventoryv1.NewInventoryClient(cc).Get(context.Background(), &inventoryv1.GetRequest{Sku: "anvil"})
		return err
	}
	if err := get(); err != nil {
		t.Error(err)
	}
	s.Stop()
	if get() == nil {
		t.Error("they answer after they were stopped")
	}
	if !s.apart.cmd.ProcessState.Success() {
		t.Error(s.apart.cmd.ProcessState)
	}
}

func TestServersAreAskedForByTheirNumber(t *testing.T) {
	if err := serve("three", strings.NewReader(""), os.Stdout); err == nil || !strings.Contains(err.Error(), `SUREFOOT_BENCH_SERVERS: strconv.Atoi: parsing "three"`) {
		t.Error(err)
	}
}
