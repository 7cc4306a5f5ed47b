package yaml_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

func TestProfilesAreRead(t *testing.T) {
	file, err := yaml.Parse("f.yaml", []byte(`contracts:
- service_name: a.B
  service:
    profiles:
      interactive:
        defaults: {deadline_ms: 300}
      service:
        methods:
          Get:
            retry: {max_attempts: 7}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &surefootv1.Contract{ServiceName: "a.B", Service: &surefootv1.Service{Profiles: map[string]*surefootv1.Profile{
		"interactive": {Defaults: &surefootv1.Method{DeadlineMs: new(int64(300))}},
		"service":     {Methods: map[string]*surefootv1.Method{"Get": {Retry: &surefootv1.Retry{MaxAttempts: proto.Int32(7)}}}},
	}}}
	if got := file.Contracts[0]; !proto.Equal(got, want) {
		t.Errorf("%s", prototext.Format(got))
	}
	at := contract.Field{Service: "a.B", Path: "profiles.service.methods.Get.retry.max_attempts"}
	if pos := file.Positions[at]; pos.Line != 10 {
		t.Errorf("max_attempts is at %v", pos)
	}
}

func TestOverridesAreRead(t *testing.T) {
	got, err := yaml.ParseOverrides("o.yaml", []byte(`# the brake
overrides:
- methods: "*"
  set: {retry: {max_attempts: 1}}
- methods: a.B/Get
  set:
    deadline_ms: 500
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []*surefootv1.Override{
		{Methods: new("*"), Set: &surefootv1.Method{Retry: &surefootv1.Retry{MaxAttempts: proto.Int32(1)}}},
		{Methods: new("a.B/Get"), Set: &surefootv1.Method{DeadlineMs: new(int64(500))}},
	}
	if len(got.List) != len(want) {
		t.Fatalf("%d overrides", len(got.List))
	}
	for i, o := range got.List {
		if !proto.Equal(o, want[i]) {
			t.Errorf("%s", prototext.Format(o))
		}
	}
	for at, want := range map[contract.OverrideField]string{
		{Index: 0}: "o.yaml:3:3", {Index: 0, Path: "set.retry.max_attempts"}: "o.yaml:4:17", {Index: 1, Path: "set.deadline_ms"}: "o.yaml:7:5",
	} {
		if pos := got.Positions[at].String(); pos != want {
			t.Errorf("%v is at %s, want %s", at, pos, want)
		}
	}
}

func TestNoOverridesAreOverrides(t *testing.T) {
	if got, err := yaml.ParseOverrides("o.yaml", []byte("overrides: []\n")); err != nil || len(got.List) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMistakesInOverrides(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "o.yaml:1:1: the file is empty: write overrides: and below it one element for each override, or [] for none"},
		{"half of a file", "overrides:\n- methods: \"*\n", "o.yaml:2:12: could not find end character of double-quoted text"},
		{"a contract", "contracts: []\n", `o.yaml:1:1: the file has no field "contracts": use one of: overrides`},
		{"no list", "overrides: {}\n", "o.yaml:1:12: overrides must be a list, not a mapping: start each element with a dash"},
		{
			"several at once", "overrides:\n- method: \"*\"\n  set: {deadline: 5}\n- methods: 7\n  set: {retry: {max_attempts: two}}\n",
			`o.yaml:2:3: an override has no field "method": did you mean "methods"?` + "\n" +
				`o.yaml:3:9: set has no field "deadline": did you mean "deadline_ms"?` + "\n" +
				"o.yaml:4:12: methods must be text, not 7: write it in quotes\n" +
				"o.yaml:5:31: set.retry.max_attempts must be a whole number in decimal digits, not the text \"two\"",
		},
	} {
		_, err := yaml.ParseOverrides("o.yaml", []byte(test.text))
		if _, ours := errors.AsType[yaml.Errors](err); !ours || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", test.name, err, test.want)
		}
	}
}

func FuzzOverridesAreReadOrRefused(f *testing.F) {
	for _, seed := range []string{"overrides: []", "overrides:\n- {methods: \"*\", set: {retry: {max_attempts: 1}}}", "overrides:\n- set: {stream: {resume: {}}}\n", "- - -"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := yaml.ParseOverrides("o.yaml", []byte(text))
		if (got == nil) == (err == nil) {
			t.Fatalf("%v and %v", got, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "o.yaml:") {
			t.Fatalf("no place: %v", err)
		}
	})
}
