package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// jsonKeys lists the keys of a type's JSON and of what it holds.
func jsonKeys(of reflect.Type) []string {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for field := range of.Fields() {
		if key, _, _ := strings.Cut(field.Tag.Get("json"), ","); key != "" {
			keys = append(keys, key)
		}
		keys = append(keys, jsonKeys(field.Type)...)
	}
	return keys
}

// fields lists what a scenario can say, from what the parser answers to a field
// that it does not know.
func fields(t *testing.T) []string {
	t.Helper()
	const unknown = "zzzzzzzzzzzz"
	known := regexp.MustCompile(`(.+?) has no field "` + unknown + `": use one of: (.+)`)
	var names []string
	for section, text := range map[string]string{
		"": unknown + ": 1", "fleet.": "fleet: {" + unknown + ": 1}", "dns.": "dns: {" + unknown + ": 1}", "load.": "load: {" + unknown + ": 1}",
		"fault ": "timeline: [{" + unknown + ": 1}]", "expectation ": "expect: [{" + unknown + ": 1}]", "arm ": "arms: [{" + unknown + ": 1}]",
	} {
		_, err := scenario.Parse("s.yaml", []byte("# Why.\n"+text+"\n"))
		found := known.FindStringSubmatch(fmt.Sprint(err))
		if found == nil {
			t.Fatalf("the parser does not list the fields of %q: %v", section, err)
		}
		if strings.HasSuffix(section, " ") {
			section = ""
		}
		for name := range strings.SplitSeq(found[2], ", ") {
			names = append(names, section+name)
		}
	}
	return names
}

// The page about the lab names all that a scenario can say and every code with
// which the tool exits.
func TestPageNamesEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	var want []string
	for _, arm := range scenario.Clients() {
		want = append(want, "`"+string(arm)+"`")
	}
	for _, kind := range scenario.FaultKinds() {
		want = append(want, "\n| `"+string(kind)+"` |")
	}
	for _, metric := range scenario.Metrics() {
		want = append(want, "`"+string(metric)+"`")
	}
	for _, reply := range scenario.Replies() {
		want = append(want, "`"+string(reply)+"`")
	}
	for _, field := range fields(t) {
		want = append(want, "`"+field+"`")
	}
	for _, key := range jsonKeys(reflect.TypeFor[report.Scenario]()) {
		if !strings.Contains(page, "[]."+key+"`") && !strings.Contains(page, "`"+key+"[].") {
			want = append(want, "`"+key+"`")
		}
	}
	want = append(want, "`"+scenario.KeyHeader+"`")
	want = append(want, "\n| 0 |", "\n| 1 |", "\n| 2 |", "\n| 130 |", "`namespaces`", "`loopback`")
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("docs/lab.md lacks %q", w)
		}
	}
}
