package endpoint_test

import (
	"testing"

	"google.golang.org/grpc/resolver"

	"github.com/surefoot-rpc/surefoot/endpoint"
)

func TestWeightAndZoneStayWithTheEndpoint(t *testing.T) {
	var none resolver.Endpoint
	if w, z := endpoint.Weight(none), endpoint.Zone(none); w != 0 || z != "" {
		t.Errorf("an endpoint of which nothing was said has weight %d and zone %q", w, z)
	}
	e := endpoint.WithZone(endpoint.WithWeight(none, 7), "eu-1a")
	if w, z := endpoint.Weight(e), endpoint.Zone(e); w != 7 || z != "eu-1a" {
		t.Errorf("weight %d, zone %q: want 7 and eu-1a", w, z)
	}
	if w := endpoint.Weight(endpoint.WithWeight(e, 1<<31)); w != endpoint.MaxWeight {
		t.Errorf("weight %d, want %d", w, endpoint.MaxWeight)
	}
	if none.Attributes != nil {
		t.Error("the endpoint itself was changed")
	}
}
