package channel_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A contract for a name that nobody knows is told to the observer by the first
// call of the service that it is probably meant for, once. One that is for a
// service without generated code, which was called, is not.
func TestAMisspeltContractIsToldByTheFirstCall(t *testing.T) {
	for name, c := range map[string]struct {
		given string
		first string // method that is called before
		want  int
	}{
		"misspelt":                   {"inventory.v1.Inventori", "", 1},
		"of another service":         {"warehouse.v1.Stock", "", 0},
		"called, without its .proto": {"inventory.v1.Inventori", "/inventory.v1.Inventori/Get", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var told []string
				w := newWorld(t, 1, nil,
					surefoot.WithContract(&surefootv1.Contract{ServiceName: c.given}),
					surefoot.WithObserver(&observe.Observer{Problem: func(err error) {
						mu.Lock()
						defer mu.Unlock()
						told = append(told, err.Error())
					}}))
				defer w.close()
				if c.first != "" {
					_ = w.client.Invoke(t.Context(), c.first, getRequest, &inventoryv1.GetResponse{})
				}
				for range 2 {
					if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
						t.Fatal(err)
					}
					if _, err := w.stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{}); err != nil {
						t.Fatal(err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if len(told) != c.want || c.want == 1 && !strings.Contains(told[0], `service_name is "`+c.given+`"`) {
					t.Errorf("told %q", told)
				}
			})
		})
	}
}
