package channel_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// A server of an old version lacks a method. Who was told so once asks the
// others, until the server is connected anew.
func TestAServerThatLacksAMethodIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := true
		w := newWorld(t, 3, func(s *server) {
			if s.name == "a" {
				s.get = func(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
					if old && r.GetSku() != "warm" {
						return nil, status.Error(codes.Unimplemented, "unknown method Get")
					}
					return &inventoryv1.GetResponse{}, nil
				}
			}
		}, trusting())
		defer w.close()
		w.warm()
		get := func(n int) {
			t.Helper()
			for range n {
				if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
					t.Fatal(err)
				}
			}
		}
		get(30)
		if n := w.servers[0].gets.Load(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		// The other methods are there.
		for range 30 {
			if _, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.servers[0].applied.Load(); n != 10 {
			t.Errorf("%d of 30 calls of another method, want 10", n)
		}
		w.servers[0].kill()
		synctest.Wait()
		old = false
		w.servers[0].start()
		time.Sleep(3 * time.Second) // the longest wait between two reconnects
		w.forget()
		get(30)
		if n := w.servers[0].gets.Load(); n != 10 {
			t.Errorf("after it came back: %d of 30 calls, want 10", n)
		}
	})
}

// A method that most servers lack, or that answers UNIMPLEMENTED to some
// requests, does not send all its calls to the few that are left.
func TestAMethodThatMostLackAvoidsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, func(s *server) {
			s.get = func(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() == "odd" {
					return nil, status.Error(codes.Unimplemented, "no such kind of item")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, trusting())
		defer w.close()
		w.warm()
		for range 200 {
			_, err := w.stub.Get(t.Context(), &inventoryv1.GetRequest{Sku: "odd"})
			var ce *surefoot.CallError
			if status.Code(err) != codes.Unimplemented || !errors.As(err, &ce) || ce.Call.Attempts[0].MayHaveBeenApplied {
				t.Fatal(err)
			}
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		total, most := int64(0), int64(0)
		for _, s := range w.servers {
			n := s.gets.Load()
			total, most = total+n, max(most, n)
		}
		if 2*most > total {
			t.Errorf("one server got %d of %d attempts", most, total)
		}
	})
}
