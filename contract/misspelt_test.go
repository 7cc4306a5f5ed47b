package contract_test

import (
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/contract"
)

// The contract of a service that nobody knows may be meant for one that is called,
// if its name is a slip of the fingers away.
func TestAMisspeltServiceIsTold(t *testing.T) {
	for _, c := range []struct {
		given, called string
		told          bool
	}{
		{"shop.v1.Shopp", "shop.v1.Shop", true},
		{"shop.v1.Shpo", "shop.v1.Shop", true},
		{"shop.v1.shop", "shop.v1.Shop", true},
		{"Shop", "shop.v1.Shop", true},
		{"shpo.v1.Shop", "shop.v1.Shop", true},
		{"etcdserverbp.KV", "etcdserverpb.KV", true},
		{"etcdserverpb.Kv", "etcdserverpb.KV", true},
		{"shop.v2.Shop", "shop.v1.Shop", false}, // two versions are two services
		{"shop.v1.Foo", "shop.v1.Bar", false},
		{"etcdserverpb.KV", "etcdserverpb.Lease", false},
		{"etcdserverpb.Auth", "etcdserverpb.KV", false},
		{"shop.v1.Shop", "till.v1.Shop", false},
		{"shop.v1.Shop", "nonsense", false},
		{"shop.v1.Shop", "", false},
		{"shop.v1.Shop", "shop.v1.Shop", false},
	} {
		file := &contract.File{
			Name: "c.yaml", Contracts: []*given{{ServiceName: c.given}},
			Positions: map[contract.Field]contract.Position{{Service: c.given, Path: "service_name"}: {File: "c.yaml", Line: 2, Column: 19}},
		}
		table := compile(t, contract.Sources{Files: []*contract.File{file}})
		err := table.Misspelt(c.called, func(string) bool { return false })
		if (err != nil) != c.told {
			t.Errorf("%s for %s: %v", c.given, c.called, err)
		}
		if want := "c.yaml:2:19: " + c.given + `: service_name is "` + c.given + `", `; err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+c.called+`"`)) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

// What somebody knows, by a .proto or by a call, is not misspelt; and a service
// that has a contract of its own lacks none.
func TestAServiceThatIsKnownIsNotMisspelt(t *testing.T) {
	nobody, called := func(string) bool { return false }, func(service string) bool { return service == "shop.v1.Shopp" }
	stray := &given{ServiceName: "shop.v1.Shopp"}
	for _, c := range []struct {
		name    string
		sources contract.Sources
		called  func(string) bool
		told    bool
	}{
		{"nobody knows it", contract.Sources{Contracts: []*given{stray}}, nobody, true},
		{"it was called", contract.Sources{Contracts: []*given{stray}}, called, false},
		{"its .proto is known", contract.Sources{Contracts: []*given{stray}, Services: build(t, spec{name: "Shopp"})}, nobody, false},
		{"the other has one too", contract.Sources{Contracts: []*given{stray, {ServiceName: "shop.v1.Shop"}}}, nobody, false},
		{"the other's .proto has one", contract.Sources{Contracts: []*given{stray}, Services: build(t, spec{name: "Shop", options: &svc{Defaults: once}})}, nobody, true},
	} {
		if err := compile(t, c.sources).Misspelt("shop.v1.Shop", c.called); (err != nil) != c.told {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// An override of a service that the client does not know may be for others. It is
// told if its name is that of one which the client has, misspelt: who pulls the
// brake must know that it does not hold.
func TestAnOverrideOfAMisspeltServiceIsTold(t *testing.T) {
	for pattern, want := range map[string]string{
		"shop.v1.Shpo/*":       "shop.v1.Shop",
		"shop.v1.Shpo/Get":     "shop.v1.Shop",
		"Shop/Get":             "shop.v1.Shop",
		"vendor.Kv/Range":      "vendor.KV",
		"shop.v1.Shop/Get":     "",
		"vendor.KV/Range":      "",
		"shop.v2.Shop/Get":     "", // another version
		"far.v1.Warehouse/Get": "",
		"*":                    "",
	} {
		table := compile(t, contract.Sources{
			Services:  build(t, spec{name: "Shop", methods: []rpc{{name: "Get"}}}),
			Contracts: []*given{{ServiceName: "vendor.KV"}},
			Overrides: overrides(override(pattern, once)),
		})
		err := table.Conflicts()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "o.yaml") || !strings.Contains(err.Error(), `"`+want+`"`)) {
			t.Errorf("%s: told %v, want %q", pattern, err, want)
		}
	}
}
