package scenario_test

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
	"github.com/surefoot-rpc/surefoot/scenarios"
)

// complete uses every field that there is.
const complete = `# Why it exists,
# in two lines.
summary: what happens
fleet:
  servers: 10
  work: 20ms
dns:
  ttl: 7s
  shuffle: 3
  delist_after: 2s
load:
  clients: 20
  rate: 0.5
  warmup: 0s
  duration: 10s
  deadline: 30s
  bad_after: 50ms
timeline:
  - {at: 4s, fault: restart, servers: [2]}
  - at: 1s
    fault: kill
    servers: [2, 10]
  - at: 2s
    fault: silent-drop
    servers: [1]
arms: [grpc-go, grpc-go round_robin, surefoot]
expect:
  - arm: surefoot
    text: no call fails
    metric: failed
    want: "== 0"
  - arm: grpc-go
    text: some do
    metric: last_bad_ms
    want: ">1.5"
`

func TestEveryFieldIsRead(t *testing.T) {
	got, err := scenario.Parse("some/where/all-of-it.yaml", []byte(complete))
	if err != nil {
		t.Fatal(err)
	}
	want := &scenario.Scenario{
		Name:    "all-of-it",
		Summary: "what happens",
		Intent:  "Why it exists, in two lines.",
		Fleet:   scenario.Fleet{Servers: 10, Work: 20 * time.Millisecond, Layers: 1},
		DNS:     scenario.DNS{TTL: 7 * time.Second, Shuffle: 3, DelistAfter: 2 * time.Second},
		Load: scenario.Load{
			Clients: 20, Rate: 0.5, Warmup: 0, Duration: 10 * time.Second,
			Deadline: 30 * time.Second, BadAfter: 50 * time.Millisecond, AttemptTimeout: 250 * time.Millisecond, OwnTimeout: 2 * time.Second,
		},
		Timeline: []scenario.Fault{
			{At: 1 * time.Second, Kind: scenario.Kill, Servers: []int{2, 10}, Line: 20},
			{At: 2 * time.Second, Kind: scenario.SilentDrop, Servers: []int{1}, Line: 23},
			{At: 4 * time.Second, Kind: scenario.Restart, Servers: []int{2}, Line: 19},
		},
		Arms: armsInLine(26, scenario.DefaultArms()...),
		Expect: []scenario.Expectation{
			{Arm: "surefoot", Text: "no call fails", Metric: scenario.Failed, Want: scenario.Bound{Op: "==", Value: 0}},
			{Arm: "grpc-go", Text: "some do", Metric: scenario.LastBad, Want: scenario.Bound{Op: ">", Value: 1.5}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if at, ok := got.FirstFault(); at != time.Second || !ok {
		t.Errorf("the first fault is at %v, %v; want 1s, true", at, ok)
	}
}

// armsInLine puts the arms into a line of the file.
func armsInLine(line int, arms ...scenario.Arm) []scenario.Arm {
	for i := range arms {
		arms[i].Line = line
	}
	return arms
}

// least is what a scenario cannot do without.
const least = `# Why.
summary: nothing happens
fleet: {servers: 1}
load: {clients: 1, rate: 1, duration: 100ms}
arms: [surefoot]
expect: []
`

func TestDefaults(t *testing.T) {
	got, err := scenario.Parse("least.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	if want := (scenario.DNS{TTL: 5 * time.Second}); got.DNS != want {
		t.Errorf("dns is %+v, want %+v", got.DNS, want)
	}
	want := scenario.Load{
		Clients: 1, Rate: 1, Warmup: time.Second, Duration: 100 * time.Millisecond,
		Deadline: 2 * time.Second, BadAfter: 250 * time.Millisecond, AttemptTimeout: 250 * time.Millisecond, OwnTimeout: 2 * time.Second,
	}
	if got.Load != want {
		t.Errorf("load is %+v, want %+v", got.Load, want)
	}
	if _, ok := got.FirstFault(); ok {
		t.Error("there is a first fault without a timeline")
	}
}

// listed joins names as errors list them.
func listed[S ~string](names []S) string {
	var words []string
	for _, name := range names {
		words = append(words, string(name))
	}
	return strings.Join(words, ", ")
}

const fleetFields = "servers, work, max_connection_age, concurrency, slow_percent, slow_work, layers"

func TestMistakes(t *testing.T) {
	clients, faults, metrics := listed(scenario.Clients()), listed(scenario.FaultKinds()), listed(scenario.Metrics())
	tests := []struct {
		name     string
		old, now string // what to replace in complete
		want     string
	}{
		{"unknown field of the scenario", "fleet:", "fleat:", `s.yaml:3:1: the scenario lacks the field "fleet": add it
s.yaml:4:1: the scenario has no field "fleat": did you mean "fleet"? (known: summary, fleet, dns, load, contract, timeline, arms, expect)`},
		{"unknown field further in", "  work: 20ms", "  cpus: 4", `s.yaml:6:3: fleet has no field "cpus": use one of: ` + fleetFields},
		{"field twice", "  work: 20ms", "  work: 20ms\n  work: 30ms", `s.yaml:7:3: mapping key "work" already defined at [6:3]`},
		{"field without a value", "  work: 20ms", "  work:", `s.yaml:6:3: fleet.work has no value: give one or remove the line`},
		{"missing field", "  rate: 0.5\n", "", `s.yaml:12:3: load lacks the field "rate": add it`},
		{"list for a mapping", "fleet:\n  servers: 10\n  work: 20ms", "fleet: [10]", `s.yaml:4:8: fleet must be a mapping with ` + fleetFields + `, not a list`},
		{"mapping for a list", "arms: [grpc-go, grpc-go round_robin, surefoot]", "arms: {a: b}", `s.yaml:26:7: arms must be a list, not a mapping: start each element with a dash`},
		{"text for a number", "servers: 10", "servers: ten", `s.yaml:5:12: fleet.servers must be a whole number, not "ten"`},
		{"fraction of a server", "servers: 10", "servers: 1.5", `s.yaml:5:12: fleet.servers must be a whole number, not "1.5"`},
		{"no server", "servers: 10", "servers: 0", `s.yaml:5:12: fleet.servers is 0, outside of 1 to 200: choose a value within`},
		{"more servers than a machine can hold", "servers: 10", "servers: 201", `s.yaml:5:12: fleet.servers is 201, outside of 1 to 200: choose a value within`},
		{"number for text", "summary: what happens", "summary: 12", `s.yaml:3:10: summary must be text, not "12": write it in quotes`},
		{"empty text", "summary: what happens", `summary: " "`, `s.yaml:3:10: summary is empty: give it a text or remove the line`},
		{"duration without a unit", "work: 20ms", "work: 20", `s.yaml:6:9: fleet.work is 20 without a unit: write 250ms, 2s or 1m30s`},
		{"no duration", "work: 20ms", "work: soon", `s.yaml:6:9: fleet.work is "soon", which is no duration: write 250ms, 2s or 1m30s`},
		{"list for a duration", "work: 20ms", "work: [20ms]", `s.yaml:6:9: fleet.work must be a duration such as 250ms or 2s, not a list`},
		{"negative duration", "work: 20ms", "work: -20ms", `s.yaml:6:9: fleet.work is -20ms, outside of 0s to 1m0s: choose a value within`},
		{"TTL that DNS cannot say", "ttl: 7s", "ttl: 1500ms", `s.yaml:8:8: dns.ttl is 1.5s: DNS knows whole seconds only`},
		{"rate of nothing", "rate: 0.5", "rate: 0", `s.yaml:13:9: load.rate is 0: choose a value above 0 and up to 1000`},
		{"rate that is no number", "rate: 0.5", "rate: often", `s.yaml:13:9: load.rate must be a number, not "often"`},
		{"rate of infinity", "rate: 0.5", "rate: .inf", `s.yaml:13:9: load.rate must be a number, not ".inf"`},
		{"unknown fault", "fault: kill", "fault: kil", `s.yaml:21:12: the fault is "kil", which is unknown: did you mean "kill"? (known: ` + faults + `)`},
		{"server that does not exist", "servers: [2, 10]", "servers: [2, 20]", `s.yaml:22:18: there is no server 20: fleet.servers is 10, and they are numbered from 1`},
		{"server twice", "servers: [2, 10]", "servers: [2, 2]", `s.yaml:22:18: server 2 stands twice: keep one`},
		{"server zero", "servers: [2, 10]", "servers: [2, 0]", `s.yaml:22:18: a server is 0, outside of 1 to 200: choose a value within`},
		{"nobody to strike", "servers: [2, 10]", "servers: []", `s.yaml:22:14: servers is empty: name those to strike, such as [1, 2]`},
		{"element without a value", "servers: [2, 10]", "servers:\n    -\n    - 2", `s.yaml:23:5: servers has an empty element: remove it`},
		{"fault after the end", "at: 2s", "at: 10s", `s.yaml:23:9: at is 10s, but the measured part ends after 10s: strike earlier or lengthen load.duration`},
		{"killed twice", "fault: silent-drop\n    servers: [1]", "fault: kill\n    servers: [10]", `s.yaml:23:1: server 10 is dead by then: restart it first or strike another`},
		{"signal to the dead", "fault: silent-drop\n    servers: [1]", "fault: stop\n    servers: [10]", `s.yaml:23:1: server 10 is dead by then: restart it first or strike another`},
		{"restart of the living", "fault: restart, servers: [2]", "fault: restart, servers: [3]", `s.yaml:19:1: server 3 is not dead by then: kill it first or remove the restart`},
		{"restart before the kill", "at: 4s", "at: 500ms", `s.yaml:19:1: server 2 is not dead by then: kill it first or remove the restart`},
		{"continue without a stop", "fault: silent-drop", "fault: continue", `s.yaml:23:1: server 1 is not stopped by then: stop it first or remove this`},
		{"heal without a drop", "fault: silent-drop", "fault: heal", `s.yaml:23:1: server 1 is not silent by then: strike it with silent-drop first or remove this`},
		{"silent twice", "  - {at: 4s, fault: restart, servers: [2]}", "  - {at: 4s, fault: silent-drop, servers: [1]}", `s.yaml:19:1: server 1 is already struck so: strike another or heal it first`},
		{"unknown arm", "arms: [grpc-go, grpc-go round_robin, surefoot]", "arms: [grpc-go, surefeet, surefoot]", `s.yaml:26:17: an arm is "surefeet", which is unknown: did you mean "surefoot"? (known: ` + clients + `)`},
		{"arm twice", "arms: [grpc-go, grpc-go round_robin, surefoot]", "arms: [grpc-go, grpc-go, surefoot]", `s.yaml:26:17: the arm "grpc-go" stands twice: keep one, or name one of them otherwise`},
		{"no arm", "arms: [grpc-go, grpc-go round_robin, surefoot]", "arms: []", `s.yaml:26:7: arms is empty: name at least one: use one of: ` + clients},
		{"expectation of an arm that is absent", "arms: [grpc-go, grpc-go round_robin, surefoot]", "arms: [surefoot]", `s.yaml:32:10: the arm "grpc-go" does not take part: add it to arms or remove the expectation (arms: surefoot)`},
		{"unknown metric", "metric: failed", "metric: errors", `s.yaml:30:13: the metric is "errors", which is unknown: use one of: ` + metrics},
		{"bound without a comparison", `want: "== 0"`, `want: "0"`, `s.yaml:31:11: want is no comparison: "0" does not start with one of <= >= == < >; write "<= 1000"`},
		{"bound without a number", `want: "== 0"`, `want: "== none"`, `s.yaml:31:11: want is no comparison: "none" is not a number; write "<= 1000"`},
		{"bound that YAML reads as a block", `want: ">1.5"`, `want: >1.5`, `s.yaml:35:11: invalid header option: "1.5"`},
		{"anchor", "servers: 10", "servers: &n 10", `s.yaml:5:12: fleet.servers must be a whole number, not an anchor, alias or tag (write the value out)`},
		{"no comment", "# Why it exists,\n# in two lines.\n", "", `s.yaml:1:1: the file does not start with a comment: say in a paragraph what it is meant to show`},
		{"second document", "expect:", "---\na: b\n---\nexpect:", `s.yaml:28:1: a second document: give each scenario a file of its own`},
		{"tab", "  servers: 10", "\tservers: 10", "s.yaml:5:1: found character '\t' that cannot start any token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if strings.Count(complete, test.old) != 1 {
				t.Fatalf("%q stands %d times in the complete scenario", test.old, strings.Count(complete, test.old))
			}
			_, err := scenario.Parse("s.yaml", []byte(strings.Replace(complete, test.old, test.now, 1)))
			if err == nil {
				t.Fatalf("no error, want\n%s", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got\n%s\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestMistakesOfTheFileItself(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"empty", "s.yaml", "", "s.yaml:1:1: the file is empty: a scenario needs fleet, load, arms and expect; copy one of the files in scenarios/"},
		{"comments only", "s.yaml", "# nothing\n", "s.yaml:1:1: the file is empty: a scenario needs fleet, load, arms and expect; copy one of the files in scenarios/"},
		{"not a mapping", "s.yaml", "# x\n- a\n", "s.yaml:2:1: the scenario must be a mapping with summary, fleet, dns, load, contract, timeline, arms, expect, not a list"},
		{"bad name", "dir/Slow_Node.yaml", least, `dir/Slow_Node.yaml:1:1: the file is named "Slow_Node.yaml": name it in lower case with dashes, such as slow-node.yaml`},
		{"last_bad_ms without a fault", "s.yaml", strings.Replace(least, "[]", "\n- {arm: surefoot, text: a, metric: last_bad_ms, want: '< 1'}", 1),
			"s.yaml:7:3: last_bad_ms counts from the first fault, and the timeline has none: add a fault or choose another metric"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := scenario.Parse(test.file, []byte(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

// One run of the tool shows all that is to be mended, from top to bottom.
func TestAllMistakesAreReportedInTheOrderOfTheFile(t *testing.T) {
	text := strings.NewReplacer("servers: 10\n", "servers: no\n", "metric: failed", "metric: nil", "rate: 0.5", "rate: -1").Replace(complete)
	_, err := scenario.Parse("s.yaml", []byte(text))
	mistakes, ok := errors.AsType[scenario.Errors](err)
	if !ok {
		t.Fatalf("got %T: %v", err, err)
	}
	var lines []int
	for _, m := range mistakes {
		lines = append(lines, m.Line)
	}
	if want := []int{5, 13, 30}; !reflect.DeepEqual(lines, want) {
		t.Errorf("mistakes in lines %v, want %v:\n%v", lines, want, err)
	}
}

func TestShippedScenariosParse(t *testing.T) {
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*scenario.Scenario{}
	for _, file := range files {
		text, err := scenarios.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse(file, text)
		if err != nil {
			t.Error(err)
			continue
		}
		known[s.Name] = s
	}
	for _, name := range scenarios.Order() {
		s := known[name]
		if s == nil {
			t.Errorf("%s is in the default run and is no valid scenario", name)
			continue
		}
		if !reflect.DeepEqual(armsInLine(0, s.Arms...), scenario.DefaultArms()) {
			t.Errorf("%s has the arms %+v: one of the default run compares all", name, s.Arms)
		}
	}
	for name, s := range known {
		judged := false
		for _, e := range s.Expect {
			judged = judged || slices.ContainsFunc(s.Arms, func(a scenario.Arm) bool { return a.Name == e.Arm && a.Client == scenario.Surefoot })
		}
		if !judged {
			t.Errorf("%s expects nothing of surefoot", name)
		}
	}
}
