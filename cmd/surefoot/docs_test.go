package main

import (
	"os"
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// The page about the lab names all that a scenario can say and every code with
// which the tool exits.
func TestPageNamesEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	var want []string
	for _, arm := range scenario.Arms() {
		want = append(want, "`"+string(arm)+"`")
	}
	for _, kind := range scenario.FaultKinds() {
		want = append(want, "\n| `"+string(kind)+"` |")
	}
	for _, metric := range scenario.Metrics() {
		want = append(want, "`"+string(metric)+"`")
	}
	want = append(want, "\n| 0 |", "\n| 1 |", "\n| 2 |", "\n| 130 |", "`namespaces`", "`loopback`")
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("docs/lab.md lacks %q", w)
		}
	}
}
