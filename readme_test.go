package surefoot_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fence = regexp.MustCompile("(?ms)^```(go|proto|sh)\n(.*?)^```$")

// blocks returns the code blocks of the README in one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range fence.FindAllSubmatch(b, -1) {
		if string(m[1]) == language {
			out = append(out, string(m[2]))
		}
	}
	return out
}

// The programs of the README compile: they are built from an overlay, as if
// they stood in the module.
func TestReadmeProgramsCompile(t *testing.T) {
	programs := blocks(t, "go")
	if len(programs) < 2 {
		t.Fatalf("%d programs in the README, want a server and a client", len(programs))
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"build", "-overlay", filepath.Join(t.TempDir(), "overlay.json"), "-o", t.TempDir() + "/"}
	for i, p := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := fmt.Sprintf("readme%d", i)
		overlay.Replace[filepath.Join(root, dir, "main.go")] = file
		args = append(args, "./"+dir)
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(args[2], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The contract of the README is the example's own, to the letter.
func TestReadmeContractIsTheExamples(t *testing.T) {
	proto, err := os.ReadFile("examples/inventory/inventory.proto")
	if err != nil {
		t.Fatal(err)
	}
	contracts := blocks(t, "proto")
	if len(contracts) == 0 {
		t.Fatal("no contract in the README")
	}
	for _, c := range contracts {
		if !strings.Contains(string(proto), c) {
			t.Errorf("not in examples/inventory/inventory.proto:\n%s", c)
		}
	}
}

// Paths and packages that the README names exist.
func TestReadmeNamesWhatExists(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\]\(([^):]+)\)|go run \./([\w/]+)`).FindAllStringSubmatch(string(b), -1)
	if len(names) < 5 {
		t.Fatalf("only %d names found", len(names))
	}
	for _, n := range names {
		path := n[1] + n[2]
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the README names %s: %v", path, err)
		}
	}
}
