package contract_test

import (
	"testing"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Whoever speaks later says how many attempts there are: by their number or by
// the deadline.
func TestTheLimitsOfAttemptsReplaceEachOther(t *testing.T) {
	until, five, no := &mth{Retry: &retry{UntilDeadline: new(true)}}, &mth{Retry: &retry{MaxAttempts: i32(5)}}, &mth{Retry: &retry{UntilDeadline: new(false)}}
	for _, c := range []struct {
		name                  string
		service, method, inGo *mth
		profile               *mth
		until                 bool
		attempts              int // where it matters
	}{
		{name: "the deadline for a service", service: until, until: true},
		{name: "a number for one of its methods", service: until, method: five, attempts: 5},
		{name: "the deadline for one of its methods", service: five, method: until, until: true},
		{name: "a number in Go", method: until, inGo: five, attempts: 5},
		{name: "the deadline in Go", method: five, inGo: until, until: true},
		{name: "the deadline taken back", service: until, method: no, attempts: 3},
		{name: "the deadline taken back in Go, beside a number", service: until, method: five, inGo: no, attempts: 5},
		{name: "the deadline in a profile", method: five, profile: until, until: true},
		{name: "a number in a profile", method: until, profile: five, attempts: 5},
		{name: "a method without a deadline", service: until, method: &mth{DeadlineMs: i64(0)}, attempts: 3},
		{name: "a method without a deadline, in a profile", service: until, profile: &mth{DeadlineMs: i64(0)}, attempts: 3},
	} {
		table := compile(t, contract.Sources{
			Profile: "p",
			Services: build(t, spec{name: "Shop", options: &svc{Defaults: c.service, Profiles: map[string]*profile{"p": {Defaults: c.profile}}}, methods: []rpc{
				{name: "Get", level: readOnly, options: c.method}, {name: "Watch", replies: true},
			}}),
			Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Get": {Method: c.inGo}}}},
		})
		m := lookup(t, table, "/shop.v1.Shop/Get").Unary.Retry
		if m.UntilDeadline != c.until || !c.until && m.MaxAttempts != c.attempts {
			t.Errorf("%s: until the deadline %v, attempts %d", c.name, m.UntilDeadline, m.MaxAttempts)
		}
		if lookup(t, table, "/shop.v1.Shop/Watch").Stream.Retry.UntilDeadline {
			t.Errorf("%s: a stream without a deadline is repeated until one", c.name)
		}
	}
}

func TestAKeyMakesRoomForRepeats(t *testing.T) {
	table := compile(t, contract.Sources{Services: build(t, spec{
		name:    "Shop",
		options: &svc{Defaults: &mth{IdempotencyKey: keyIn("idempotency-key"), Retry: &retry{Codes: aborted}}},
		methods: []rpc{
			{name: "Put", options: &mth{AttemptTimeoutMs: i64(100)}},
			{name: "Pay", options: &mth{IdempotencyKey: keyOf("token")}},
			{name: "Deep", options: &mth{IdempotencyKey: keyOf("self.token")}},
			{name: "Never", options: &mth{IdempotencyKey: keyIn("")}},
			{name: "Watch", replies: true},
		},
	})})
	for name, want := range map[string]policy.Key{
		"Put": {Header: "idempotency-key"}, "Pay": {Field: "token"}, "Deep": {Field: "self.token"}, "Never": {}, "Watch": {},
	} {
		m := lookup(t, table, "/shop.v1.Shop/"+name).Unary
		if m.IdempotencyKey != want || m.Safety != policy.Unsafe || (m.Retry.Codes != 0) != (want != policy.Key{}) {
			t.Errorf("%s: key %+v, %v, codes %v", name, m.IdempotencyKey, m.Safety, m.Retry.Codes)
		}
	}
}

// The house may agree on a header, and a contract in Go may speak for an owner
// who is silent, or say the same.
func TestAKeyIsTheOwnersToName(t *testing.T) {
	key := &mth{IdempotencyKey: keyIn("idempotency-key")}
	for name, s := range map[string]contract.Sources{
		"of the house":   {House: &svc{Defaults: key}, Services: build(t, spec{name: "Shop", options: &svc{}, methods: []rpc{{name: "Put"}}})},
		"of the service": {Services: build(t, spec{name: "Shop", options: &svc{Defaults: key}, methods: []rpc{{name: "Put"}}})},
		"in Go for a silent owner": {
			Services:  build(t, spec{name: "Shop", methods: []rpc{{name: "Put"}}}),
			Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Put": {Method: key}}}},
		},
		"in Go, the same": {
			Services:  build(t, spec{name: "Shop", methods: []rpc{{name: "Put", options: key}}}),
			Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Put": {Method: key}}}},
		},
	} {
		if got := lookup(t, compile(t, s), "/shop.v1.Shop/Put").Unary.IdempotencyKey; got.Header != "idempotency-key" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
