package surefoot_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// Every mistake is in the one error, with where it is and how to mend it.
func TestConstructionReportsEveryMistakeAtOnce(t *testing.T) {
	bad := []surefoot.Option{
		surefoot.WithService(&inventoryv1.Inventory_ServiceDesc, &grpc.ServiceDesc{ServiceName: "nobody.v1.Nothing"}),
		surefoot.WithContract(&surefootv1.Contract{
			ServiceName: "inventory.v1.Inventory",
			Methods: map[string]*surefootv1.MethodContract{
				"Get":     {Method: &surefootv1.Method{DeadlineMs: new(int64(-5))}},
				"Reserve": {Method: &surefootv1.Method{Retry: &surefootv1.Retry{Codes: []surefootv1.Code{surefootv1.Code_UNAVAILABLE}}}},
			},
		}),
	}
	want := []string{
		`no .proto of the service "nobody.v1.Nothing" is linked`,
		"no credentials: add WithTransportCredentials(…), or WithInsecure()",
		"inventory.v1.Inventory/Get: deadline_ms is -",
		"inventory.v1.Inventory/Reserve: retry.codes lists [UNAVAILABLE], but the method is not idempotent",
	}
	_, clientErr := surefoot.NewClient("dns:///inventory:7443", bad[0], bad[1])
	_, serverErr := surefoot.NewServer(bad[0], bad[1])
	for side, err := range map[string]error{"client": clientErr, "server": serverErr} {
		if err == nil {
			t.Errorf("%s: no error", side)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error does not say %q:\n%v", side, w, err)
			}
		}
	}
}

func TestBadTargetIsReported(t *testing.T) {
	_, err := surefoot.NewClient("dns://%/x", surefoot.WithInsecure())
	if err == nil || !strings.Contains(err.Error(), "surefoot: client of dns://%/x") {
		t.Errorf("got %v", err)
	}
}

func TestAnOrdinalIsNotNegative(t *testing.T) {
	_, err := surefoot.NewClient("dns:///inventory:7443", surefoot.WithInsecure(), surefoot.WithOrdinal(-3))
	if err == nil || !strings.Contains(err.Error(), "WithOrdinal: -3: pass the number of the client") {
		t.Errorf("told %v", err)
	}
	c, err := surefoot.NewClient("dns:///inventory:7443", surefoot.WithInsecure(), surefoot.WithOrdinal(3), surefoot.WithZone("east"))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
