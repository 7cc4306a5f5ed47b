package serve

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/order.golden")

func TestOrderOfLayers(t *testing.T) {
	var b strings.Builder
	for _, l := range New(Config{}).layers() {
		if l.unary == nil && l.stream == nil {
			t.Errorf("%s is for no call", l.name)
		}
		fmt.Fprintf(&b, "%-8s %s\n", l.name, l.reason)
	}
	b.WriteString("(the user's own interceptors, in the order in which they were given)\n(the handler)\n")
	golden := filepath.Join("testdata", "order.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("a call passes\n%s\nbut %s says\n%s\nIf that is meant: go test ./internal/serve -update, and docs/architecture.md", b.String(), golden, want)
	}
}
