package inventory_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

func start(t *testing.T) (*inventory.Service, inventoryv1.InventoryClient) {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	service := inventory.New("one")
	server := grpc.NewServer()
	inventoryv1.RegisterInventoryServer(server, service)
	done := make(chan error, 1)
	go func() { done <- server.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///bufconn",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return service, inventoryv1.NewInventoryClient(conn)
}

func TestReserveChangesWhatGetReads(t *testing.T) {
	service, client := start(t)
	before, err := client.Get(t.Context(), &inventoryv1.GetRequest{Sku: "bolt"})
	if err != nil {
		t.Fatal(err)
	}
	reserved, err := client.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "bolt", Count: 3, ReservationId: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	after, err := client.Get(t.Context(), &inventoryv1.GetRequest{Sku: "bolt"})
	if err != nil {
		t.Fatal(err)
	}
	if after.GetInStock() != before.GetInStock()-3 || reserved.GetLeft() != after.GetInStock() {
		t.Errorf("stock %d, reserved 3, told %d left, then read %d", before.GetInStock(), reserved.GetLeft(), after.GetInStock())
	}
	if after.GetServer() != "one" {
		t.Errorf("answered by %q, want one", after.GetServer())
	}
	if n := service.Applied("r1"); n != 1 {
		t.Errorf("r1 applied %d times, want 1", n)
	}
	if n := service.Applied("r2"); n != 0 {
		t.Errorf("r2 applied %d times, want 0", n)
	}
}

func TestRefusals(t *testing.T) {
	_, client := start(t)
	reserve := func(req *inventoryv1.ReserveRequest) error {
		_, err := client.Reserve(t.Context(), req)
		return err
	}
	get := func(sku string) error {
		_, err := client.Get(t.Context(), &inventoryv1.GetRequest{Sku: sku})
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want codes.Code
	}{
		"unknown item":      {get("gold"), codes.NotFound},
		"no count":          {reserve(&inventoryv1.ReserveRequest{Sku: "bolt", ReservationId: "r"}), codes.InvalidArgument},
		"no id":             {reserve(&inventoryv1.ReserveRequest{Sku: "bolt", Count: 1}), codes.InvalidArgument},
		"unknown to take":   {reserve(&inventoryv1.ReserveRequest{Sku: "gold", Count: 1, ReservationId: "r"}), codes.NotFound},
		"more than in here": {reserve(&inventoryv1.ReserveRequest{Sku: "bolt", Count: 1 << 40, ReservationId: "r"}), codes.FailedPrecondition},
	} {
		if got := status.Code(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestWatchSendsTheCurrentStockAndEveryChange(t *testing.T) {
	_, client := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.Watch(ctx, &inventoryv1.WatchRequest{Sku: "nut"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		if _, err := client.Reserve(ctx, &inventoryv1.ReserveRequest{Sku: "nut", Count: 1, ReservationId: "r"}); err != nil {
			t.Fatal(err)
		}
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if got.GetRevision() != first.GetRevision()+i+1 || got.GetInStock() != first.GetInStock()-i-1 {
			t.Errorf("change %d: revision %d stock %d after revision %d stock %d", i+1, got.GetRevision(), got.GetInStock(), first.GetRevision(), first.GetInStock())
		}
	}
	cancel()
	for {
		if _, err = stream.Recv(); err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) || status.Code(err) != codes.Canceled {
		t.Errorf("after the caller left: %v, want Canceled", err)
	}
}

func TestWatchBeginsWhereItIsAskedTo(t *testing.T) {
	service, client := start(t)
	for range 1500 {
		if _, err := service.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "nut", Count: 1, ReservationId: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		from, want int64
		code       codes.Code
	}{
		{from: 0, want: 1501},
		{from: 1501, want: 1501},
		{from: 1400, want: 1400},
		{from: 1501 - 1023, want: 1501 - 1023},
		{from: 1501 - 1024, code: codes.OutOfRange},
		{from: 1, code: codes.OutOfRange},
		{from: -1, code: codes.OutOfRange},
	} {
		stream, err := client.Watch(t.Context(), &inventoryv1.WatchRequest{Sku: "nut", FromRevision: c.from})
		if err != nil {
			t.Fatal(err)
		}
		got, err := stream.Recv()
		if status.Code(err) != c.code || got.GetRevision() != c.want {
			t.Errorf("from %d: revision %d, %v", c.from, got.GetRevision(), err)
		}
	}
}

func TestWatchWaitsForARevisionThatIsToCome(t *testing.T) {
	service, client := start(t)
	stream, err := client.Watch(t.Context(), &inventoryv1.WatchRequest{Sku: "nut", FromRevision: 3})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := service.Replica("two").Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "nut", Count: 1, ReservationId: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	for want := int64(3); want <= 4; want++ {
		if got, err := stream.Recv(); err != nil || got.GetRevision() != want {
			t.Errorf("got %v, %v, want revision %d", got, err, want)
		}
	}
}

// stuck is a watcher that reads nothing after the first message.
type stuck struct {
	grpc.ServerStreamingServer[inventoryv1.WatchResponse]
	ctx     context.Context
	first   chan struct{}
	release chan struct{}
	sent    int
}

func (s *stuck) Context() context.Context { return s.ctx }
func (s *stuck) Send(*inventoryv1.WatchResponse) error {
	if s.sent++; s.sent == 1 {
		close(s.first)
		<-s.release
	}
	return nil
}

func TestASlowWatcherIsToldInsteadOfBuffered(t *testing.T) {
	service := inventory.New("one")
	watcher := &stuck{ctx: t.Context(), first: make(chan struct{}), release: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- service.Watch(&inventoryv1.WatchRequest{Sku: "bolt"}, watcher) }()
	<-watcher.first
	for range 1100 {
		if _, err := service.Reserve(t.Context(), &inventoryv1.ReserveRequest{Sku: "bolt", Count: 1, ReservationId: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	close(watcher.release)
	if err := <-done; status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v, want ResourceExhausted", err)
	}
}
