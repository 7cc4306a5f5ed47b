package yaml_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

func TestTheMessagesAreRead(t *testing.T) {
	file, err := yaml.Read("testdata/etcd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []*surefootv1.Contract{
		{
			ServiceName: "etcdserverpb.KV",
			Service: &surefootv1.Service{
				Defaults:    &surefootv1.Method{DeadlineMs: new(int64(5000))},
				RetryBudget: &surefootv1.RetryBudget{RatioPercent: proto.Int32(10)},
				Connection:  &surefootv1.Connection{KeepaliveTimeMs: new(int64(10_000)), KeepaliveTimeoutMs: new(int64(2000))},
			},
			Methods: map[string]*surefootv1.MethodContract{
				"Range": {
					IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum(),
					Method: &surefootv1.Method{
						DeadlineMs: new(int64(1000)), AttemptTimeoutMs: new(int64(300)),
						Retry: &surefootv1.Retry{MaxAttempts: proto.Int32(4), Codes: []surefootv1.Code{surefootv1.Code_UNAVAILABLE}},
					},
				},
				"Put": {Method: &surefootv1.Method{DeadlineMs: new(int64(2000))}},
			},
		},
		{
			ServiceName: "etcdserverpb.Lease",
			Methods: map[string]*surefootv1.MethodContract{
				"LeaseGrant":     {Method: &surefootv1.Method{DeadlineMs: new(int64(2000))}},
				"LeaseRevoke":    {IdempotencyLevel: surefootv1.IdempotencyLevel_IDEMPOTENT.Enum()},
				"LeaseKeepAlive": {},
			},
		},
		{
			ServiceName: "etcdserverpb.Watch",
			Methods: map[string]*surefootv1.MethodContract{
				"Watch": {IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum()},
			},
		},
	}
	if len(file.Contracts) != len(want) {
		t.Fatalf("%d contracts, want %d", len(file.Contracts), len(want))
	}
	for i, c := range file.Contracts {
		if !proto.Equal(c, want[i]) {
			t.Errorf("got  %s\nwant %s", prototext.Format(c), prototext.Format(want[i]))
		}
	}
}

// What a person can get wrong, and all that is said about it.
func TestMistakes(t *testing.T) {
	const head = "contracts:\n- service_name: a.B\n"
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "# later\n", "f.yaml:1:1: the file is empty: write contracts: and below it a list with one element for each service"},
		{"another key", "contract: []\n", `f.yaml:1:1: the file has no field "contract": did you mean "contracts"?`},
		{"no list", "contracts: {service_name: a.B}\n", "f.yaml:1:12: contracts must be a list, not a mapping: start each element with a dash"},
		{"no name", "contracts:\n- methods: {}\n", `f.yaml:2:3: service_name is "": set the full name of the service, such as etcdserverpb.KV`},
		{"a service twice", head + "- service_name: a.B\n", `f.yaml:3:17: service_name is "a.B" a second time: merge the two contracts into one`},
		{"several at once", head + "  service:\n    connectio: {}\n    retry_budget: {ratio_percent: 1.5, window_ms: 010}\n  methods:\n    Get: {method: {deadline_ms: \"5\"}, idempotency_level: IDEMPOTEN}\n",
			"f.yaml:4:5: service has no field \"connectio\": did you mean \"connection\"?\n" +
				"f.yaml:5:35: retry_budget.ratio_percent must be a whole number in decimal digits, not 1.5\n" +
				"f.yaml:5:51: retry_budget.window_ms must be a whole number in decimal digits, not 010\n" +
				"f.yaml:7:33: deadline_ms must be a whole number in decimal digits, not the text \"5\"\n" +
				"f.yaml:7:58: idempotency_level is \"IDEMPOTEN\", which is unknown: did you mean \"IDEMPOTENT\"?"},
		{"the names of protojson", head + "  serviceName: a.C\n", `f.yaml:3:3: a contract has no field "serviceName": did you mean "service_name"?`},
		{"a key twice", head + "  service: {}\n  service: {}\n", `f.yaml:4:3: a contract has "service" twice: keep one`},
		{"a method twice", head + "  methods:\n    Get: {}\n    Get: {}\n", `f.yaml:5:5: methods has "Get" twice: keep one`},
		{"two of one", head + "  service: {balance: {round_robin: {}, peak_ewma: {}}}\n", "f.yaml:3:40: balance has round_robin and peak_ewma: choose one"},
		{"a code", head + "  methods: {Get: {method: {retry: {codes: [ABORTD, 14]}}}}\n",
			"f.yaml:3:44: an element of retry.codes is \"ABORTD\", which is unknown: did you mean \"ABORTED\"?\n" +
				"f.yaml:3:52: an element of retry.codes must be a name, not 14: use one of: ABORTED, ALREADY_EXISTS, CANCELLED, DATA_LOSS, DEADLINE_EXCEEDED, FAILED_PRECONDITION, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE, PERMISSION_DENIED, RESOURCE_EXHAUSTED and 4 more"},
		{"a truth", head + "  service: {connection: {single_endpoint: yes}}\n", `f.yaml:3:43: connection.single_endpoint must be true or false, not the text "yes"`},
		{"a text", head + "  service: {balance: {consistent_hash: {header: 5}}}\n", "f.yaml:3:49: balance.consistent_hash.header must be text, not 5: write it in quotes"},
		{"too large", head + "  service: {retry_budget: {ratio_percent: 3000000000}}\n", "f.yaml:3:43: retry_budget.ratio_percent is 3000000000, outside of what a number of 32 bits can be: at most 2147483647"},
		{"no value", head + "  service:\n", "f.yaml:3:3: service has no value: give it one, {} for all defaults, or remove the line"},
		{"an alias", "contracts: &a\n- *a\n", "f.yaml:1:12: anchors, aliases, merges, tags, directives and complex keys are not read: write the value out"},
		{"two documents", head + "---\n" + head, "f.yaml:4:1: a second document: put its contracts into the list of the first"},
		{"too deep", strings.Repeat("[", 100), "f.yaml:1:33: nested too deep: no contract is"},
		{"too deep, in dashes", strings.Repeat("- ", 100), "f.yaml:1:129: nested too deep: no contract is"},
		{"too many keys", strings.Repeat("a: 1\n", 10_001), "f.yaml:10001:2: the file has more than 10000 keys: split it"},
		{"too large a file", strings.Repeat("#", yaml.MaxSize+1), "f.yaml:1:1: the file has more than 262144 bytes: split it"},
		{"no text", "\xff", "f.yaml:1:1: the file is not UTF-8: save it as such"},
		{"no YAML", "contracts: [", "f.yaml:1:12: sequence end token ']' not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := yaml.Parse("f.yaml", []byte(test.text))
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	_, err := yaml.Read(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "contract file: ") {
		t.Error(err)
	}
}

// Mistakes in the values are found by NewClient, which names the place in the
// file: of the value, or of what holds it.
func TestMistakesInValuesNameTheirPlace(t *testing.T) {
	const text = `contracts:
- service_name: a.B
  service:
    balance: {panic_percent: 101}
  methods:
    Put:
      method: {retry: {codes: [ABORTED]}}
- service_name: inventory.v1.None
  service: {connection: {connect_timeout_ms: 0}}
`
	file, err := yaml.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = surefoot.NewClient("dns:///a:1", surefoot.WithInsecure(), surefoot.WithContractFile(file))
	for _, want := range []string{
		"f.yaml:4:15: a.B: balance.panic_percent is 101",
		"f.yaml:7:24: a.B/Put: retry.codes lists [ABORTED], but the method is not idempotent",
		"f.yaml:9:26: inventory.v1.None: connection.connect_timeout_ms is 0",
	} {
		if err == nil || !strings.Contains(err.Error(), "  "+want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestAServiceInTwoFiles(t *testing.T) {
	one, err := yaml.Parse("one.yaml", []byte("contracts: [{service_name: a.B}]"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := yaml.Parse("two.yaml", []byte("contracts: [{service_name: a.B}]"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = contract.Compile(contract.Sources{Files: []*contract.File{one, two}})
	const want = "contract: two.yaml:1:28: a.B: service_name is given twice: merge the two contracts into one"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// The example of docs/contract.md is the file that these tests read.
func TestThePageShowsTheExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("testdata/etcd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```yaml\n"+string(example)+"```\n") {
		t.Error("docs/contract.md does not show testdata/etcd.yaml as it is")
	}
}

// Whatever the text, it is read or refused, every value has a place, and every
// mistake too.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("testdata/etcd.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("contracts: [{service_name: a.B, methods: {Get: {method: {retry: {codes: [ABORTED]}}}}}]"))
	f.Add([]byte("contracts:\n- service_name: >\n   a\n  methods: {? a : b}\n"))
	f.Add([]byte("- - - [{]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := yaml.Parse("f.yaml", text)
		if err != nil {
			errs, ok := errors.AsType[yaml.Errors](err)
			if !ok || len(errs) == 0 {
				t.Fatalf("%T", err)
			}
			for _, e := range errs {
				if e.Position.Line < 1 || e.Position.Column < 1 || e.Text == "" {
					t.Errorf("%+v", e)
				}
			}
			return
		}
		for _, c := range file.Contracts {
			for _, path := range []string{"", "service_name"} {
				if file.Positions[contract.Field{Service: c.GetServiceName(), Path: path}].Line < 1 {
					t.Errorf("%s: %q has no place", c.GetServiceName(), path)
				}
			}
			for name := range c.GetMethods() {
				if file.Positions[contract.Field{Service: c.GetServiceName(), Method: name}].Line < 1 {
					t.Errorf("%s/%s has no place", c.GetServiceName(), name)
				}
			}
		}
		_, _ = contract.Compile(contract.Sources{Files: []*contract.File{file}})
	})
}
