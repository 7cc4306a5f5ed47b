package contract_test

import (
	"testing"

	"github.com/surefoot-rpc/surefoot/contract"
)

// What cannot take effect is a mistake only where it stands beside its reason:
// what is inherited was written for others too, and a caller who switches
// repeats off need not know the codes of the .proto.
func TestWhatIsInheritedMayHaveNoEffect(t *testing.T) {
	codes, once := &mth{Retry: &retry{Codes: aborted}}, &mth{Retry: &retry{MaxAttempts: i32(1)}}
	both := &mth{Retry: &retry{MaxAttempts: i32(1), Codes: aborted}}
	timeout := &mth{AttemptTimeoutMs: i64(250)}
	hedged := &mth{Hedge: &hedge{DelayMs: i64(20)}}
	seen := &mth{AttemptTimeoutObserved: &observe{QuantilePermille: i32(990), CeilingMs: i64(250)}}
	opens, off := &mth{Breaker: &breaker{OpenMs: i64(1000)}}, &mth{Breaker: &breaker{Off: new(true)}}
	never := &mth{Breaker: &breaker{FailurePercent: i32(0)}}
	for _, c := range []struct {
		name           string
		house, service *mth
		method, inGo   *mth
	}{
		{"repeats are off for the house", once, nil, codes, nil},
		{"repeats are off for the service", nil, once, codes, nil},
		{"codes of the house", codes, nil, once, nil},
		{"codes of the service", nil, codes, once, nil},
		{"both of the service", nil, both, nil, nil},
		{"a caller switches repeats off", nil, nil, codes, once},
		{"a caller allows repeats", nil, nil, both, &mth{Retry: &retry{MaxAttempts: i32(2)}}},
		{"a deadline below the margin of the house", nil, nil, &mth{DeadlineMs: i64(5)}, nil},
		{"a deadline below the margin of the service", nil, &mth{DeadlineMarginMs: i64(200)}, &mth{DeadlineMs: i64(100)}, nil},
		{"an attempt timeout of the service", nil, timeout, nil, nil},
		{"what a KiB takes, of the service", nil, &mth{AttemptTimeoutMs: i64(10), AttemptTimeoutPerKibUs: i64(1), DeadlinePerKibUs: i64(1)}, nil, nil},
		{"a bound of repeats, of the service", nil, &mth{Retry: &retry{MaxElapsedMs: i64(5000)}}, &mth{DeadlineMs: i64(1000)}, nil},
		{"a bound of repeats under a deadline that grows", nil, nil, &mth{DeadlineMs: i64(1000), DeadlinePerKibUs: i64(1), Retry: &retry{MaxElapsedMs: i64(2000)}}, nil},
		{"an attempt timeout of the house", timeout, nil, nil, nil},
		{"hedges of the service", nil, hedged, nil, nil},
		{"hedges of the house", hedged, nil, once, nil},
		{"a caller switches repeats, and with them hedges, off", nil, nil, hedged, once},
		{"observed attempt timeouts of the service", nil, seen, nil, nil},
		{"the breaker of the service is off", nil, off, opens, nil},
		{"a caller switches the breaker off", nil, nil, opens, off},
		{"no breaker of the service opens", nil, never, opens, nil},
		{"a method whose breaker never opens", nil, opens, never, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			compile(t, contract.Sources{
				House: &svc{Defaults: c.house},
				Services: build(t, spec{name: "Shop", options: &svc{Defaults: c.service}, methods: []rpc{
					{name: "Get", level: readOnly, options: c.method}, {name: "Put"}, {name: "Off", options: &mth{AttemptTimeoutMs: i64(0)}},
					{name: "Endless", options: &mth{DeadlineMs: i64(0)}},
				}}),
				Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {Method: c.inGo}}}},
			})
		})
	}
}
