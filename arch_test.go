package surefoot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/surefoot-rpc/surefoot"

// A row of the import table says what one package may import besides the
// standard library.
type row struct {
	pkg      string   // path below the module, "." for the root
	internal []string // packages of this module, each of an earlier row
	external []string // prefixes of the paths of other modules' packages
	role     string   // what the package is for, in the words of docs/architecture.md
}

const (
	grpcModule     = "google.golang.org/grpc"
	grpcCodes      = "google.golang.org/grpc/codes"
	grpcMetadata   = "google.golang.org/grpc/metadata"
	protobufModule = "google.golang.org/protobuf"
	anything       = "*" // every earlier row, or every module
)

// importTable is in topological order: a package imports rows above its own
// alone, so that circles are impossible and the order is the reading order.
var importTable = []row{
	{"policy", nil, []string{grpcCodes}, "the compiled behaviour of methods and channels: values and arithmetic"},
	{"observe", nil, nil, "the hooks through which a program sees what happens"},
	{"observe/slog", []string{"observe"}, []string{grpcCodes, grpcModule + "/status"}, "hooks that write to log/slog"},
	{"gen/surefoot/v1", nil, []string{protobufModule}, "generated: the contract language"},
	{"internal/nearest", nil, nil, "the name that was meant"},
	{"internal/fieldpath", nil, []string{protobufModule}, "the field of a message that a contract names"},
	{"contract", []string{"policy", "gen/surefoot/v1", "internal/nearest", "internal/fieldpath"}, []string{grpcCodes, protobufModule}, "contracts to policies, all mistakes at once; where each value comes from"},
	{
		"contract/yaml",
		[]string{"contract", "gen/surefoot/v1", "internal/nearest"},
		[]string{protobufModule, "github.com/goccy/go-yaml"},
		"contracts from files, with their places; nobody who does not import it compiles YAML",
	},
	{"call", []string{"policy"}, []string{grpcModule}, "options of one call"},
	{"endpoint", nil, []string{grpcModule + "/attributes", grpcModule + "/resolver"}, "what a resolver says of an endpoint beside its addresses"},

	{"internal/engine/window", nil, nil, "decision: counts of the recent past"},
	{"internal/engine/latency", nil, nil, "decision: how long calls took lately"},
	{"internal/engine/outcome", []string{"policy"}, []string{grpcCodes}, "decision: what one finished attempt means"},
	{"internal/engine/attempt", engineMayImport, []string{grpcCodes}, "decision: repeat, wait or end; the budget"},
	{"internal/engine/stream", []string{"policy"}, nil, "decision: whether an open stream has waited, or lasted, for too long"},
	{"internal/engine/breaker", engineMayImport, nil, "decision: whether a call is made at all"},
	{"internal/engine/balance", engineMayImport, []string{grpcCodes}, "decision: which endpoint"},
	{"internal/engine/subset", nil, nil, "decision: which endpoints of a large fleet to connect to"},
	{"internal/engine/ejection", engineMayImport, []string{grpcCodes}, "decision: which endpoints are taken out, and how they come back"},
	{"internal/engine/liveness", engineMayImport, []string{grpcCodes}, "decision: which silent connections are dead"},
	{"internal/engine/dnscache", engineMayImport, []string{grpcCodes}, "decision: when to ask DNS and what to believe"},

	{"internal/wire", []string{"policy"}, []string{grpcMetadata}, "names of headers and trailers"},
	{"internal/chain", []string{"internal/wire"}, []string{grpcModule + "/status"}, "the call that is served, as the calls that are made for it know it"},
	{"internal/series", []string{"policy"}, []string{grpcModule}, "what ties streams together that continue each other"},
	{"internal/memnet", nil, nil, "connections in memory, for tests in bubbles"},
	{
		"resume",
		[]string{"policy", "gen/surefoot/v1", "internal/fieldpath", "internal/wire", "internal/series"},
		[]string{grpcModule, protobufModule},
		"streams that outlive their streams: messages that go on, leases that are held",
	},
	{"internal/dns", nil, []string{"golang.org/x/net/dns/dnsmessage"}, "exchange of DNS messages"},
	{
		"internal/channel/discovery",
		[]string{"policy", "observe", "endpoint", "internal/engine/dnscache", "internal/dns"},
		[]string{grpcModule},
		"driver: names to endpoints",
	},
	{"internal/channel/overrides", []string{"contract", "observe"}, nil, "driver: the operator's file, watched"},
	{"internal/channel/socket", []string{"internal/engine/liveness"}, []string{grpcModule + "/mem", "golang.org/x/sys/unix"}, "driver: one connection, and what the kernel knows of it"},
	{"internal/channel/timeouts", nil, nil, "driver: tells attempts that they linger, and that their time is up, with few timers"},
	{
		"internal/channel/fleet",
		[]string{
			"policy", "observe", "call", "endpoint",
			"internal/engine/outcome", "internal/engine/balance", "internal/engine/subset",
			"internal/engine/ejection", "internal/engine/liveness",
			"internal/channel/discovery", "internal/channel/socket",
		},
		[]string{grpcModule, protobufModule},
		"driver: the endpoints of a client, connected, watched and picked",
	},
	{
		"internal/channel",
		[]string{
			"policy", "observe", "contract", "call",
			"internal/engine/latency", "internal/engine/outcome", "internal/engine/attempt",
			"internal/engine/balance", "internal/engine/ejection", "internal/engine/breaker", "internal/engine/stream",
			"internal/wire", "internal/chain", "internal/series", "internal/channel/discovery",
			"internal/channel/overrides", "internal/channel/socket", "internal/channel/timeouts", "internal/channel/fleet",
		},
		[]string{grpcModule, protobufModule, "google.golang.org/genproto/googleapis/rpc/errdetails"},
		"driver: the client's side of grpc-go, its calls",
	},
	{
		"internal/serve",
		[]string{"policy", "observe", "contract", "call", "internal/wire", "internal/chain"},
		[]string{grpcModule},
		"driver: the server's side of grpc-go",
	},
	{
		".",
		[]string{"policy", "observe", "contract", "call", "gen/surefoot/v1", "internal/channel", "internal/serve"},
		[]string{grpcModule, protobufModule},
		"the façade: NewClient, NewServer, CallError",
	},

	{"examples/inventory/inventoryv1", []string{"gen/surefoot/v1"}, []string{grpcModule, protobufModule}, "generated: the example service"},
	{"examples/inventory", []string{"examples/inventory/inventoryv1"}, []string{grpcModule}, "the example service in memory"},
	{"examples/inventory/server", exampleMayImport, []string{grpcModule}, "the example's server"},
	{"examples/inventory/client", exampleMayImport, []string{grpcModule}, "the example's client"},

	{"scenarios", nil, nil, "the scenario files"},
	{"internal/workbench/scenario", nil, []string{"github.com/goccy/go-yaml"}, "the language of the scenarios"},
	{"internal/workbench/report", []string{"internal/workbench/scenario"}, []string{"charm.land/lipgloss/v2"}, "the scoreboard and its JSON"},
	{
		"internal/workbench/protocol", nil,
		[]string{"github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/sys/unix"},
		"what the lab and its processes say to each other",
	},
	{
		"internal/workbench/lab",
		[]string{"scenarios", "internal/workbench/scenario", "internal/workbench/report", "internal/workbench/protocol"},
		[]string{"github.com/google/nftables", "github.com/miekg/dns", "github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		"real processes, real faults; judges from outside",
	},
	{
		"internal/workbench/role",
		[]string{
			".", "policy", "observe", "call", "resume",
			"examples/inventory", "examples/inventory/inventoryv1",
			"internal/workbench/scenario", "internal/workbench/protocol",
		},
		[]string{grpcModule, "google.golang.org/genproto/googleapis/rpc", "golang.org/x/sys/unix"},
		"the processes of the lab: its servers and its callers",
	},
	{"bench/internal/load", []string{"examples/inventory/inventoryv1"}, []string{grpcModule}, "calls through several clients by turns, and what they cost"},
	{"bench", []string{anything}, []string{anything}, "benchmarks beside bare grpc-go"},
	{"cmd/surefoot", []string{anything}, []string{anything}, "the command line; nobody imports it"},
}

var (
	engineMayImport  = []string{"policy", "internal/engine/outcome", "internal/engine/window"}
	exampleMayImport = []string{".", "observe", "observe/slog", "resume", "examples/inventory", "examples/inventory/inventoryv1"}
)

// A listed is what go list says of a package.
type listed struct {
	ImportPath, Name, Dir              string
	Imports                            []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// below returns the path of p below the module.
func (p listed) below() string { return below(p.ImportPath) }

func below(importPath string) string {
	if importPath == modulePath {
		return "."
	}
	return strings.TrimPrefix(importPath, modulePath+"/")
}

// packages lists the packages of the module.
func packages(t *testing.T, patterns ...string) []listed {
	t.Helper()
	out := goTool(t, append([]string{"list", "-e", "-json=ImportPath,Name,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles"}, patterns...)...)
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// goTool returns what the go command writes on stdout, as on 64-bit Linux.
func goTool(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

func TestImportTableIsInTopologicalOrder(t *testing.T) {
	above := map[string]bool{anything: true}
	for _, r := range importTable {
		for _, imported := range r.internal {
			if !above[imported] {
				t.Errorf("%s may import %s, which is not in a row above: move its row down, or the other up", r.pkg, imported)
			}
		}
		if above[r.pkg] {
			t.Errorf("%s has two rows", r.pkg)
		}
		above[r.pkg] = true
	}
}

func TestImports(t *testing.T) {
	rows := make(map[string]row)
	for _, r := range importTable {
		rows[r.pkg] = r
	}
	found := make(map[string]bool)
	for _, p := range packages(t, "./...") {
		r, ok := rows[p.below()]
		if !ok {
			t.Errorf("%s is not in the import table: add a row to arch_test.go, below all that it imports, with what it may import", p.below())
			continue
		}
		found[r.pkg] = true
		for _, imported := range p.Imports {
			if !r.allows(imported) {
				t.Errorf("%s imports %s, which its row in the import table (arch_test.go) does not allow", r.pkg, imported)
			}
		}
	}
	for _, r := range importTable {
		if !found[r.pkg] {
			t.Errorf("%s has a row in the import table (arch_test.go) and does not exist: remove the row", r.pkg)
		}
	}
}

// allows reports whether r's package may import importPath.
func (r row) allows(importPath string) bool {
	if importPath == modulePath || strings.HasPrefix(importPath, modulePath+"/") {
		imported := below(importPath)
		if slices.Contains(r.internal, anything) {
			return !strings.HasPrefix(imported, "cmd/")
		}
		return slices.Contains(r.internal, imported)
	}
	if first, _, _ := strings.Cut(importPath, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	for _, prefix := range r.external {
		if prefix == anything || importPath == prefix || strings.HasPrefix(importPath, prefix+"/") {
			return true
		}
	}
	return false
}

// An engine package decides from its arguments alone.
var (
	enginePrefix = "internal/engine/"
	// Nothing below these paths of the standard library, with the exceptions
	// that are values only.
	engineBannedImports = []string{"context", "crypto/rand", "log", "math/rand", "net", "os", "syscall", "testing"}
	engineValueImports  = []string{"net/netip"}
	engineBannedOfTime  = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}
)

func TestEngineIsPure(t *testing.T) {
	for _, p := range packages(t, "./"+enginePrefix+"...") {
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range impurities(file) {
				t.Errorf("%s: %s: an engine package takes time and randomness as arguments and starts nothing", fset.Position(f.pos), f.what)
			}
		}
	}
}

type impurity struct {
	pos  token.Pos
	what string
}

// impurities returns what in file reads a clock, rolls dice, starts a
// goroutine or reaches outside.
func impurities(file *ast.File) []impurity {
	var found []impurity
	timeName := ""
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		for _, banned := range engineBannedImports {
			if (imported == banned || strings.HasPrefix(imported, banned+"/")) && !slices.Contains(engineValueImports, imported) {
				found = append(found, impurity{spec.Pos(), "imports " + imported})
			}
		}
		if imported == "time" {
			timeName = path.Base(imported)
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
		}
	}
	if timeName == "." {
		found = append(found, impurity{file.Pos(), "imports time without its name"})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, impurity{n.Pos(), "starts a goroutine"})
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == timeName && slices.Contains(engineBannedOfTime, n.Sel.Name) {
				found = append(found, impurity{n.Pos(), "uses time." + n.Sel.Name})
			}
		}
		return true
	})
	return found
}

func TestImpuritiesAreFound(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
		import ("net/netip"; "net"; "math/rand/v2"; clock "time")
		var _ netip.Addr
		func f() { go f(); _ = clock.Now(); _ = clock.Second; _ = clock.Since }`, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range impurities(file) {
		got = append(got, f.what)
	}
	want := []string{"imports net", "imports math/rand/v2", "starts a goroutine", "uses time.Now", "uses time.Since"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// TestArchitecturePageHoldsImportTable keeps docs/architecture.md and the table
// above from drifting apart.
func TestArchitecturePageHoldsImportTable(t *testing.T) {
	const page, begin, end = "docs/architecture.md", "<!-- import table: written by go test -run TestArchitecture . -update -->\n", "<!-- end of the import table -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines %q and %q", page, begin, end)
	}
	want := before + begin + "\n" + importTableMarkdown() + "\n" + end + after
	if string(text) == want {
		return
	}
	if !*update {
		t.Fatalf("the import table of %s is not that of arch_test.go; after a change of the latter:\n\tgo test -run TestArchitecture . -update", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

func importTableMarkdown() string {
	var b strings.Builder
	b.WriteString("| package | what it is | may import, of this module | of others |\n|---|---|---|---|\n")
	for _, r := range importTable {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.pkg, r.role, quoted(r.internal), quoted(r.external))
	}
	return b.String()
}

func quoted(names []string) string {
	switch {
	case len(names) == 0:
		return "–"
	case slices.Contains(names, anything):
		return "anything"
	}
	return "`" + strings.Join(names, "` `") + "`"
}
