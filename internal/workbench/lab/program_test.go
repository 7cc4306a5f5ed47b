package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// pod makes this test binary a program of a pod: it says the lines that it is
// told and ends with the code that it is told.
const pod = "pod-of-a-test"

type podOrder struct {
	Lines  []string
	Stderr string
	Code   int
	Hang   bool
	Listen string // of a server's order: it says that it is ready and hangs
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == pod {
		var order podOrder
		if err := json.Unmarshal([]byte(os.Args[2]), &order); err != nil {
			panic(err)
		}
		if order.Listen != "" {
			order.Lines, order.Hang = []string{`{"ready":true}`}, true
		}
		for _, line := range order.Lines {
			fmt.Println(line)
		}
		fmt.Fprint(os.Stderr, order.Stderr)
		if order.Hang {
			select {}
		}
		os.Exit(order.Code)
	}
	goleak.VerifyTestMain(m)
}

func launchPod(t *testing.T, order podOrder) *program {
	t.Helper()
	children := newSpawner()
	t.Cleanup(children.close)
	p, err := launch(children, []string{pod}, "server 3", order)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func TestProgramsReadiness(t *testing.T) {
	tests := []struct {
		name  string
		order podOrder
		want  string // the error; "" for none
	}{
		{"ready", podOrder{Lines: []string{`{"ready":true}`}}, ""},
		{"too early", podOrder{Lines: []string{`{"progress":{"calls":1}}`}}, "server 3 spoke before it was ready"},
		{"its own error", podOrder{Lines: []string{`{"error":"no room"}`}}, "server 3: no room"},
		{"nonsense", podOrder{Lines: []string{`hello`}}, `server 3: said "hello", which is not of the protocol`},
		{"died silently", podOrder{Code: 3}, "server 3 ended unasked, exit status 3"},
		{"died with words", podOrder{Code: 2, Stderr: "panic: oh\nno\n"}, "server 3 ended unasked, exit status 2; its last words:\n  panic: oh\n  no"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := launchPod(t, test.order).ready(t.Context())
			if got := fmt.Sprint(err); test.want == "" && err != nil || test.want != "" && got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestKillEndsAProgramThatHangs(t *testing.T) {
	p := launchPod(t, podOrder{Lines: []string{`{"ready":true}`, `{"progress":{}}`}, Hang: true})
	if err := p.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.kill() // returns when it is gone, though nobody reads its last line
	if !p.doomed.Load() {
		t.Error("its end looks like an accident")
	}
	if err := p.signal(syscall.SIGCONT); err == nil {
		t.Error("the dead was sent a signal")
	}
}

func TestWaitingForAProgramEndsWithTheContext(t *testing.T) {
	p := launchPod(t, podOrder{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.ready(ctx); err != context.Canceled { //nolint:errorlint // exactly that
		t.Errorf("got %v", err)
	}
}

// The environment of whoever runs the lab must not bend its result.
func TestProgramsSeeNothingOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.invalid")
	p := launchPod(t, podOrder{Hang: true})
	for _, entry := range p.cmd.Env {
		if strings.Contains(entry, "proxy") {
			t.Errorf("it is given %s", entry)
		}
	}
	if len(p.cmd.Env) == 0 {
		t.Error("an empty list means the whole environment")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var said tail
	if got := said.quote(); got != "" {
		t.Errorf("of silence: %q", got)
	}
	fmt.Fprint(&said, strings.Repeat("x", tailLimit)+"\n")
	fmt.Fprint(&said, "the end\n")
	if len(said.kept) != tailLimit {
		t.Errorf("it keeps %d bytes", len(said.kept))
	}
	if got := said.quote(); !strings.HasPrefix(got, "; its last words:\n  xxx") || !strings.HasSuffix(got, "x\n  the end") {
		t.Errorf("got %q", got)
	}
}

func TestCountsAddUpWhatProgramsSay(t *testing.T) {
	c := newCounts(2)
	for i, lines := range [][]string{
		{`{"progress":{"calls":5,"failed":1}}`, `{"progress":{"calls":9,"failed":2}}`, `{"tally":{"calls":9,"ok":7}}`},
		{`{"progress":{"calls":4}}`, `{"tally":{"calls":6,"ok":6}}`},
	} {
		tally, err := c.collect(t.Context(), i, launchPod(t, podOrder{Lines: lines}))
		if want := int64(9 - 3*i); err != nil || tally.Calls != want {
			t.Errorf("the tally of program %d has %d calls, want %d (%v)", i, tally.Calls, want, err)
		}
	}
	now := protocol.Now()
	const hour = 3_600_000_000_000
	for phase, run := range map[Phase]protocol.Go{
		Warming:  {From: now + hour, Until: now + 2*hour},
		Running:  {From: now, Until: now + hour},
		Settling: {From: now - 2, Until: now - 1},
	} {
		if p := c.progress(run); p.Phase != phase || p.Calls != 13 || p.Failed != 2 || p.Done < 0 {
			t.Errorf("%s: got %+v, want 13 calls, 2 failed", phase, p)
		}
	}
	if _, err := c.collect(t.Context(), 0, launchPod(t, podOrder{Code: 1})); err == nil {
		t.Error("a program without a tally has one")
	}
}

func TestArmReport(t *testing.T) {
	const ms = 1_000_000
	sum := protocol.Tally{
		Calls: 10, OK: 8, Attempts: 11, Bad: 3, LastBad: 900 * ms, MaxLag: 2 * ms,
		Errors: map[string]int64{"UNAVAILABLE": 2}, Replies: map[string]int64{"a": 6, "b": 2},
		Slices: []protocol.Slice{{Calls: 10, Bad: 3}},
	}
	s := &scenario.Scenario{Fleet: scenario.Fleet{Servers: 2, Layers: 1}}
	fault := make(chan protocol.Instant, 1)
	fault <- 400 * ms
	e := evidence{fault: fault, address: func(n int) string { return fmt.Sprint(n) }}
	got, err := armReport(scenario.Arm{Name: "surefoot", Client: scenario.Surefoot}, s, sum, e)
	if err != nil {
		t.Fatal(err)
	}
	want := report.Arm{
		Name: "surefoot", Client: "surefoot", Calls: 10, OK: 8, Errors: sum.Errors, Attempts: 11, Bad: 3,
		BusiestOverMean: 1.5, LastBad: 500, MaxLag: 2, Timeline: []report.Slice{{Calls: 10, Bad: 3}},
		Figures: report.Figures{Closed: new(int64)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err = armReport(scenario.Arm{Name: "surefoot", Client: scenario.Surefoot}, s, sum, e); err != nil || got.LastBad != 0 { // no fault was noted
		t.Errorf("without a fault the last bad call is after %v ms (%v)", got.LastBad, err)
	}
}

func TestFaultsAreDescribed(t *testing.T) {
	for want, f := range map[string]scenario.Fault{
		"kill: server 2":                             {Kind: scenario.Kill, Servers: []int{2}},
		"heal: servers 1, 2, 10":                     {Kind: scenario.Heal, Servers: []int{1, 2, 10}},
		"slow 2.5 ×: server 1":                       {Kind: scenario.Slow, Servers: []int{1}, Factor: 2.5},
		"dns: nxdomain":                              {Kind: scenario.BadDNS, Reply: scenario.NXDomain},
		"answer INTERNAL to 50 % of calls: server 1": {Kind: scenario.Answer, Servers: []int{1}, Code: "INTERNAL", Share: 50},
	} {
		if got := describe(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
