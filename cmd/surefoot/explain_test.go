package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/surefoot-rpc/surefoot/examples/inventory"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const exampleProto = "../../examples/inventory"

// explained runs the command in this process.
func explained(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := root()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(append([]string{"explain"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed; if that is meant: go test ./cmd/surefoot -run Explain -update\n%s", name, got)
	}
}

// write writes a file and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExplainTheExample(t *testing.T) {
	got, err := explained(t, "--proto", exampleProto, "--contract", "testdata/explain.yaml")
	if err != nil {
		t.Fatal(err)
	}
	noControl(t, got)
	for line := range strings.Lines(got) {
		if utf8.RuneCountInString(line) > explainWidth+1 {
			t.Errorf("wider than %d: %s", explainWidth, line)
		}
	}
	golden(t, "explain.txt", got)
}

func TestExplainAProfileAndOverrides(t *testing.T) {
	dir := t.TempDir()
	overrides := write(t, dir, "overrides.yaml", "overrides:\n- methods: \"*\"\n  set: {retry: {max_attempts: 1}}\n")
	got, err := explained(t, "--proto", exampleProto, "--profile", "service", "--overrides", overrides, "inventory.v1.Inventory/Get")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"profile inventory.proto:", "override ", "overrides.yaml:3\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, wrong := range []struct{ flag, value, want string }{
		{"--profile", "servce", `did you mean "service"?`},
		{"--overrides", filepath.Join(dir, "none.yaml"), "--overrides: open "},
		{"--overrides", write(t, dir, "bad.yaml", "overrides:\n- method: x\n"), "bad.yaml:2:3: an override has no field"},
		{"--overrides", write(t, dir, "unfit.yaml", "overrides:\n- methods: inventory.v1.Inventory/Gte\n  set: {}\n"), `unfit.yaml:2:3: inventory.v1.Inventory: methods names "Gte"`},
	} {
		if _, err := explained(t, "--proto", exampleProto, wrong.flag, wrong.value); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%s %s: %v", wrong.flag, wrong.value, err)
		}
	}
}

func TestExplainJSON(t *testing.T) {
	got, err := explained(t, "--proto", exampleProto, "--contract", "testdata/explain.yaml", "--json", "inventory.v1.Inventory/Get")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not JSON")
	}
	golden(t, "explain.json", got)
}

// A set of descriptors tells the same, and so does a server, but for the lines,
// which the code that is generated for Go does not keep.
func TestExplainFromEverySource(t *testing.T) {
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(inventoryv1.File_inventory_proto)}}
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, t.TempDir(), "inventory.binpb", string(b))
	want, err := explained(t, "--descriptor-set", file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(want, "deadline_ms                2000                method inventory.proto\n") {
		t.Errorf("no deadline in\n%s", want)
	}
	for name, register := range map[string]func(*grpc.Server){
		"v1": func(s *grpc.Server) { reflection.RegisterV1(s) },
		"v1alpha": func(s *grpc.Server) {
			grpc_reflection_v1alpha.RegisterServerReflectionServer(s, reflection.NewServer(reflection.ServerOptions{Services: s}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := explained(t, "--server", serve(t, register), "--plaintext")
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("a server tells\n%s\nits descriptors tell\n%s", got, want)
			}
		})
	}
}

// serve starts a server on the loopback.
func serve(t *testing.T, register func(*grpc.Server)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	inventoryv1.RegisterInventoryServer(srv, inventory.New("a"))
	healthpb.RegisterHealthServer(srv, health.NewServer())
	register(srv)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// Services of the infrastructure are explained when they are asked for.
func TestExplainTheServicesThatAreNamed(t *testing.T) {
	address := serve(t, func(s *grpc.Server) { reflection.Register(s) })
	got, err := explained(t, "--server", address, "--plaintext", "grpc.health.v1.Health", "/inventory.v1.Inventory/Watch")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"grpc.health.v1.Health\n", "  Check  unary\n", "inventory.v1.Inventory\n", "  Watch  server stream\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(got, "Reserve") {
		t.Error("a method that was not named")
	}
}

func TestExplainFailsWithARemedy(t *testing.T) {
	dir := t.TempDir()
	broken := write(t, dir, "broken/a.proto", "syntax = \"proto3\";\nimport \"other/b.proto\";\n")
	wrongOptions := write(t, dir, "wrong/a.proto", "syntax = \"proto3\";\npackage a;\nimport \"surefoot/v1/options.proto\";\nmessage M {}\nservice S {\n  rpc Get(M) returns (M) {\n    option (surefoot.v1.method) = { deadline_ms: 5 attempt_timeout_ms: 6 };\n  }\n}\n")
	roots := filepath.Join(dir, "roots")
	write(t, roots, "proto/a.proto", "syntax = \"proto3\";\npackage a;\nimport \"surefoot/v1/options.proto\";\n")
	options, err := os.ReadFile("../../proto/surefoot/v1/options.proto")
	if err != nil {
		t.Fatal(err)
	}
	write(t, roots, "third_party/surefoot/v1/options.proto", string(options))
	typo := write(t, dir, "typo.yaml", "contracts: [{service_name: a.B, method: {}}]")
	stray := write(t, dir, "stray.yaml", "contracts:\n- service_name: inventory.v1.Inventry\n")
	value := write(t, dir, "value.yaml", "contracts:\n- service_name: inventory.v1.Inventory\n  methods:\n    Get: {method: {deadline_ms: -1}}\n")
	nothing := serve(t, func(*grpc.Server) {})
	missing := filepath.Join(dir, "missing")
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		want []string // in this order
	}{
		{"nothing given", nil, []string{"nothing to explain: add --descriptor-set file, --proto directory, --server host:port or --contract"}},
		{"two sources", []string{"--proto", ".", "--server", "x:1"}, []string{"--proto and --server are given: choose one"}},
		{"a flag of another", []string{"--plaintext", "--proto", "."}, []string{"--plaintext and --ca are for --server"}},
		{"imports of nothing", []string{"--import", ".", "--server", "x:1"}, []string{"--import is for --proto"}},
		{"unknown service", []string{"--proto", exampleProto, "inventory.v1.Inventry"}, []string{`there is no service "inventory.v1.Inventry" in ../../examples/inventory: did you mean "inventory.v1.Inventory"?`}},
		{"bare service", []string{"--proto", exampleProto, "inventory"}, []string{`did you mean "inventory.v1.Inventory"?`}},
		{"unknown method", []string{"--proto", exampleProto, "inventory.v1.Inventory/Gte", "inventory.v1.Inventory/X"}, []string{`surefoot: inventory.v1.Inventory has no method "Gte": did you mean "Get"?`, `surefoot: inventory.v1.Inventory has no method "X": use one of: Get, KeepAlive, Reserve, Watch`}},
		{"no file", []string{"--descriptor-set", missing}, []string{"--descriptor-set: open " + missing}},
		{"no set", []string{"--descriptor-set", typo}, []string{"is no set of descriptors: write it with protoc --include_imports"}},
		{"no directory", []string{"--proto", missing}, []string{"--proto: ", "missing: no such file"}},
		{"no .proto", []string{"--proto", empty}, []string{"--proto: no .proto file in " + empty}},
		{"missing import", []string{"--proto", filepath.Dir(broken)}, []string{"other/b.proto", "with --import"}},
		{"two roots", []string{"--proto", roots}, []string{"--proto: " + roots + " holds third_party/surefoot/v1/options.proto", "--import"}},
		{"wrong options", []string{"--proto", filepath.Dir(wrongOptions)}, []string{"a.proto:7:52: a.S/Get: attempt_timeout_ms is 6, above the deadline of 5 ms"}},
		{"a contract that is wrong", []string{"--proto", exampleProto, "--contract", typo}, []string{typo + `:1:33: a contract has no field "method": did you mean "methods"?`}},
		{"a contract for nobody", []string{"--proto", exampleProto, "--contract", stray}, []string{stray + `:2:17: the service inventory.v1.Inventry is not in ../../examples/inventory: did you mean "inventory.v1.Inventory"?`}},
		{"a value that is wrong", []string{"--proto", exampleProto, "--contract", value}, []string{value + ":4:20 over inventory.proto:", value + ":4:20: inventory.v1.Inventory/Get: deadline_ms is -1"}[1:]},
		{"no contract", []string{"--contract", missing}, []string{"--contract: contract file: open " + missing}},
		{"no reflection", []string{"--server", nothing, "--plaintext"}, []string{nothing + " has no reflection: register it there"}},
		{"TLS where there is none", []string{"--server", nothing}, []string{"if it speaks no TLS add --plaintext"}},
		{"no certificates", []string{"--server", nothing, "--ca", typo}, []string{"--ca: no certificate in " + typo}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := explained(t, test.args...)
			if err == nil || out != "" {
				t.Fatalf("%v\n%s", err, out)
			}
			rest := err.Error()
			for _, want := range test.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Errorf("no %q in\n%s", want, err)
				}
				rest = after
			}
		})
	}
}

func TestExplainExitCodes(t *testing.T) {
	if got := tool(t, "explain", "--proto", exampleProto); got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, %s", got.code, got.stderr)
	}
	got := tool(t, "explain", "--proto", exampleProto, "x.Y")
	if got.code != exitUnable || got.stdout != "" || !strings.HasPrefix(got.stderr, "surefoot: there is no service") {
		t.Errorf("exit %d, %q, %s", got.code, got.stdout, got.stderr)
	}
}

// The page names every flag, exit code and key of the JSON, and shows what the
// command prints.
func TestExplainPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	want := []string{"| 0 |", "| 2 |", "| 130 |"}
	for _, flag := range []string{"descriptor-set", "proto", "import", "server", "plaintext", "ca", "contract", "json"} {
		if explainCommand().Flag(flag) == nil {
			t.Errorf("no flag %s", flag)
		}
		want = append(want, "`--"+flag)
	}
	for _, key := range jsonKeys(reflect.TypeFor[serviceJSON]()) {
		want = append(want, "`"+key+"`")
	}
	text, err := os.ReadFile("testdata/explain.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, get, _ := strings.Cut(string(text), "\n\n")
	get, _, _ = strings.Cut(get, "\n\n")
	if before, after, ok := strings.Cut(page, "```\n  Get  unary\n"); *update && ok {
		_, after, _ = strings.Cut(after, "\n```\n")
		page = before + "```\n" + get + "\n```\n" + after
		if err := os.WriteFile("../../docs/explain.md", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, fmt.Sprintf("```\n%s\n", get))
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("docs/explain.md lacks %q", w)
		}
	}
}
