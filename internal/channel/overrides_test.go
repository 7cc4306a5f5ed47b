package channel_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/observe"
)

const retriesOff = "overrides:\n- methods: \"*\"\n  set: {retry: {max_attempts: 1}}\n"

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The operator's brake holds for the calls that start after it, with the
// connections that there are, and lets go again.
func TestRetriesAreSwitchedOffWhileTheClientRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overrides.yaml")
	writeFile(t, path, "overrides: []\n")
	synctest.Test(t, func(t *testing.T) {
		var told []observe.Override
		var connects, gets atomic.Int64
		var down atomic.Bool
		w := newWorld(t, 2, func(s *server) {
			s.get = func(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				gets.Add(1)
				if down.Load() {
					return nil, status.Error(codes.Unavailable, "down")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, trusting(), surefoot.WithOverrides(yaml.Overrides(path)), surefoot.WithObserver(&observe.Observer{
			Override: func(o observe.Override) { told = append(told, o) },
			Endpoint: func(e observe.EndpointChange) {
				if e.To == "connecting" {
					connects.Add(1)
				}
			},
		}))
		defer w.close()
		w.warm()
		down.Store(true)
		attempts := func() int {
			time.Sleep(20 * time.Second) // until the budget has forgotten the calls before
			synctest.Wait()
			before := gets.Load()
			_, err := w.stub.Get(t.Context(), &inventoryv1.GetRequest{})
			if status.Code(err) != codes.Unavailable || !strings.Contains(status.Convert(err).Message(), "down") {
				t.Fatalf("the server's error became %v", err)
			}
			return int(gets.Load() - before)
		}
		if n := attempts(); n != 3 {
			t.Fatalf("%d attempts at first", n)
		}
		made := connects.Load()
		for _, step := range []struct {
			text string
			want int
		}{
			{retriesOff, 1},
			{"overrides:\n- methods: \"*\"\n  set: {retry: {max_atempts: 9}}\n", 1}, // a typo changes nothing
			{"overrides:\n- methods: inventory.v1.Inventory/*\n  set: {retry: {max_attempts: 2}}\n", 2},
			{"overrides: []\n", 3},
		} {
			writeFile(t, path, step.text)
			if n := attempts(); n != step.want {
				t.Errorf("%d attempts, want %d, with\n%s", n, step.want, step.text)
			}
		}
		if connects.Load() != made {
			t.Errorf("%d connects more", connects.Load()-made)
		}
		synctest.Wait()
		if len(told) != 5 || !told[2].Refused || told[2].InUse != 1 || told[2].Target == "" || told[2].File != path ||
			!strings.Contains(told[2].Err.Error(), ":3:17:") {
			t.Errorf("told %+v", told)
		}
	})
}

func TestABadOverrideIsAnErrorOfNewClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overrides.yaml")
	writeFile(t, path, "overrides:\n- methods: inventory.v1.Inventory/Reserve\n  set: {retry: {codes: [ABORTED]}}\n")
	_, err := surefoot.NewClient("static:///127.0.0.1:1", surefoot.WithInsecure(),
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc), surefoot.WithOverrides(yaml.Overrides(path)))
	if err == nil || !strings.Contains(err.Error(), "overrides.yaml:3:17: inventory.v1.Inventory/Reserve: set.retry.codes") {
		t.Errorf("%v", err)
	}
	writeFile(t, path, "overrides: 1\n")
	_, err = surefoot.NewClient("static:///127.0.0.1:1", surefoot.WithInsecure(), surefoot.WithOverrides(yaml.Overrides(path)))
	if mistakes, ok := errors.AsType[yaml.Errors](err); !ok || len(mistakes) != 1 {
		t.Errorf("%v", err)
	}
}
