package scenario_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// chain is services behind each other, and arms that say more than their client.
const chain = `# Why.
summary: what happens
fleet:
  servers: 6
  work: 10ms
  layers: 3
  concurrency: 4
  slow_percent: 5
  slow_work: 90ms
load: {clients: 1, rate: 1, duration: 30s, attempt_timeout: 40ms, own_timeout: 70ms}
contract:
  service:
    balance: {round_robin: {}}

  # of all
  methods:
    Get: {method: {deadline_ms: 900}}
timeline:
  - {at: 1s, fault: answer, servers: [5, 6], code: UNAVAILABLE}
  - {at: 9s, fault: recover, servers: [5, 6]}
arms:
  - naive retries
  - own timeouts
  - surefoot
  - name: surefoot hurried
    client: surefoot
    profile: interactive
    contract:
        methods:
          Get: {method: {deadline_ms: 100}}
  - {name: plain, client: grpc-go round_robin}
expect:
  - {arm: surefoot, text: a, metric: bottom_attempts, want: "<= 30"}
  - {arm: surefoot hurried, text: b, metric: wasted_work, beside: naive retries, want: "<= 0.02"}
`

func parseChain(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(chain))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestArmsAndLayersAreRead(t *testing.T) {
	s := parseChain(t)
	fleet := scenario.Fleet{Servers: 6, Work: 10 * time.Millisecond, Layers: 3, Concurrency: 4, SlowPercent: 5, SlowWork: 90 * time.Millisecond}
	if s.Fleet != fleet || s.Load.AttemptTimeout != 40*time.Millisecond || s.Load.OwnTimeout != 70*time.Millisecond {
		t.Errorf("the fleet is %+v, the load %+v", s.Fleet, s.Load)
	}
	common := scenario.Contract{
		Text: "  service:\n    balance: {round_robin: {}}\n\n  # of all\n  methods:\n    Get: {method: {deadline_ms: 900}}\n",
		Line: 11, Indent: 2,
	}
	hurried := scenario.Contract{Text: "        methods:\n          Get: {method: {deadline_ms: 100}}\n", Line: 28, Indent: 8}
	want := []scenario.Arm{
		{Name: "naive retries", Client: scenario.GRPCNaive, Line: 22},
		{Name: "own timeouts", Client: scenario.GRPCOwnTimeouts, Line: 23},
		{Name: "surefoot", Client: scenario.Surefoot, Contract: common, Line: 24},
		{Name: "surefoot hurried", Client: scenario.Surefoot, Contract: hurried, Profile: "interactive", Line: 25},
		{Name: "plain", Client: scenario.GRPCRoundRobin, Line: 31},
	}
	if !reflect.DeepEqual(s.Arms, want) {
		t.Errorf("got  %+v\nwant %+v", s.Arms, want)
	}
	if e := s.Expect[1]; e.Arm != "surefoot hurried" || e.Beside != "naive retries" {
		t.Errorf("the expectation is %+v", e)
	}
	var layers []int
	for n := 1; n <= 6; n++ {
		layers = append(layers, s.Layer(n))
	}
	if want := []int{1, 1, 2, 2, 3, 3}; !reflect.DeepEqual(layers, want) || s.LayerSize() != 2 {
		t.Errorf("the servers are of the layers %v of %d", layers, s.LayerSize())
	}
}

// A line of the contract file is the same line of the scenario.
func TestContractKeepsItsLines(t *testing.T) {
	s := parseChain(t)
	lines := strings.Split(chain, "\n")
	for _, arm := range s.Arms[2:4] {
		doc := strings.Split(strings.TrimSuffix(arm.Contract.Document(), "\n"), "\n")
		if len(doc) < arm.Contract.Line+2 || doc[arm.Contract.Line-2] != "contracts:" {
			t.Fatalf("%s: the document is %q", arm.Name, doc)
		}
		if dash := strings.Repeat(" ", arm.Contract.Indent-2) + "- service_name: inventory.v1.Inventory"; doc[arm.Contract.Line-1] != dash {
			t.Errorf("%s: the service is named in %q", arm.Name, doc[arm.Contract.Line-1])
		}
		for i := arm.Contract.Line; i < len(doc); i++ {
			if doc[i] != lines[i] {
				t.Errorf("%s: line %d is %q, in the scenario %q", arm.Name, i+1, doc[i], lines[i])
			}
		}
	}
	if doc := s.Arms[0].Contract.Document(); doc != "" {
		t.Errorf("without a contract the document is %q", doc)
	}
}

func TestMistakesInArmsAndLayers(t *testing.T) {
	const shape = "contract must be a mapping with service and methods, as in a contract file, in lines of its own that are indented by two or more"
	tests := []struct{ name, old, now, want string }{
		{"arm without a client", "    client: surefoot\n    profile", "    profile", `s.yaml:25:5: an arm lacks the field "client": add it
s.yaml:33:11: the arm "surefoot hurried" does not take part: add it to arms or remove the expectation (arms: naive retries, own timeouts, surefoot, plain)`},
		{"two of one name", "name: plain", "name: surefoot", `s.yaml:31:5: the arm "surefoot" stands twice: keep one, or name one of them otherwise`},
		{"contract of grpc-go", "    client: surefoot\n", "    client: grpc-go\n", `s.yaml:25:5: contract and profile are for the client "surefoot": remove them`},
		{"contract in a flow", "    contract:\n        methods:\n          Get: {method: {deadline_ms: 100}}\n", "    contract: {methods: {}}\n", `s.yaml:28:15: ` + shape},
		{"contract that is no mapping", "  service:\n    balance: {round_robin: {}}\n\n  # of all\n  methods:\n    Get: {method: {deadline_ms: 900}}\n", "  - a\n", `s.yaml:12:3: ` + shape},
		{"contract by another spelling", "contract:\n  service:", "\"contract\":\n  service:", `s.yaml:12:3: the name contract must stand on a line of its own, as it is`},
		{"compared with itself", "beside: naive retries", `beside: surefoot hurried`, `s.yaml:34:67: beside is the arm itself: name another one`},
		{"compared with nobody", "beside: naive retries", `beside: grpc-go`, `s.yaml:34:67: the arm "grpc-go" does not take part: add it to arms or remove the expectation (arms: naive retries, own timeouts, surefoot, surefoot hurried, plain)`},
		{"layers that do not come out even", "layers: 3", "layers: 4", `s.yaml:2:1: fleet.servers is 6, which cannot be dealt out to 4 layers evenly: choose a multiple`},
		{"servers that call nobody", "  layers: 3\n", "", `s.yaml:2:1: the arm "own timeouts" is about servers that call others: add fleet.layers
s.yaml:32:5: bottom_attempts is of services behind each other: add fleet.layers`},
		{"half of a tail", "  slow_work: 90ms\n", "", `s.yaml:2:1: fleet.slow_percent of the calls take fleet.slow_work: give both or neither`},
		{"writes through layers", "attempt_timeout: 40ms", "writes: 10", `s.yaml:2:1: load.writes is for a fleet of one layer: remove it or fleet.layers`},
		{"virtual address of layers", "contract:\n  service:", "dns: {virtual_ip: true}\ncontract:\n  service:", `s.yaml:2:1: dns.virtual_ip is for a fleet of one layer: remove it or fleet.layers`},
		{"servers that forget", "fault: answer, servers: [5, 6], code: UNAVAILABLE", "fault: kill, servers: [5, 6]", `s.yaml:20:1: server 5 is dead by then: restart it first or strike another
s.yaml:20:1: server 6 is dead by then: restart it first or strike another
s.yaml:33:5: bottom_attempts is reported by the servers, and one that is killed cannot: choose another fault
s.yaml:34:5: wasted_work is reported by the servers, and one that is killed cannot: choose another fault`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if strings.Count(chain, test.old) != 1 {
				t.Fatalf("%q stands %d times", test.old, strings.Count(chain, test.old))
			}
			_, err := scenario.Parse("s.yaml", []byte(strings.Replace(chain, test.old, test.now, 1)))
			if err == nil || err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}
