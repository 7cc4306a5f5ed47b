package scenario_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
	"github.com/surefoot-rpc/surefoot/scenarios"
)

// Whatever a file holds, reading it does not panic, and all that is wrong is
// said with the place where it is.
func FuzzParse(f *testing.F) {
	f.Add(complete)
	f.Add(least)
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := scenarios.Files.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{"summary: >1\n", "a: |\n", "? a\n: b\n", "<<: *x\n", "!!str a", "%YAML 1.2\n---\n", "fleet: &a\n  *a : 1\n", "\xff", "a: \"", "timeline: [[]]\n", "expect:\n- ? x\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scenario.Parse("f.yaml", []byte(text))
		if err == nil {
			if s == nil || s.Fleet.Servers < 1 || s.Load.Rate <= 0 || len(s.Arms) == 0 {
				t.Fatalf("accepted as %+v", s)
			}
			return
		}
		mistakes, ok := errors.AsType[scenario.Errors](err)
		if !ok || len(mistakes) == 0 || s != nil {
			t.Fatalf("got %T %q and %+v", err, err, s)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1 // either ends a line of YAML
		for _, m := range mistakes {
			if m.File != "f.yaml" || m.Line < 1 || m.Line > lines+1 || m.Column < 1 || m.Text == "" {
				t.Errorf("a mistake at %d:%d of %d lines: %q", m.Line, m.Column, lines, m.Text)
			}
			if !strings.HasPrefix(m.Error(), fmt.Sprintf("f.yaml:%d:", m.Line)) {
				t.Errorf("%q does not begin with its place", m.Error())
			}
		}
	})
}
