package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// results is what programs read of a run.
type results []struct {
	Scenario  string
	Isolation string
	Skipped   string
	Arms      []struct {
		Name              string
		Skipped           string
		Calls, OK         int64
		Errors            map[string]int64
		Attempts, Bad     int64
		BusiestOverMean   float64 `json:"busiest_over_mean"`
		LastBad           float64 `json:"last_bad_ms"`
		P50, P99, Longest float64
		Closed            int64    `json:"closed_connections"`
		NewShare          *float64 `json:"new_share"`
		Moved             *int64   `json:"moved_keys"`
		BottomAttempts    *int64   `json:"bottom_attempts"`
		WastedWork        *float64 `json:"wasted_work"`
		AppliedTwice      *int64   `json:"applied_twice"`
		GoodputBefore     *float64 `json:"goodput_before"`
		Missing, Doubled  *int64
		OutOfOrder        *int64 `json:"out_of_order"`
		LeasesLost        *int64 `json:"leases_lost"`
	}
	Expectations []struct {
		Arm, Want string
		Got       float64
		OK        bool
	}
}

func readResults(t *testing.T, path string) results {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantSmoke checks what is certain of testdata/smoke.yaml, however slow the
// machine is: 2 clients call 50 times a second, for a second.
func wantSmoke(t *testing.T, r results, isolation string) {
	t.Helper()
	if len(r) == 0 || r[0].Scenario != "smoke" || r[0].Isolation != isolation || len(r[0].Arms) != 3 {
		t.Fatalf("got %+v", r)
	}
	for _, arm := range r[0].Arms {
		failed := int64(0)
		for _, n := range arm.Errors {
			failed += n
		}
		if arm.Calls != 100 || arm.OK+failed != arm.Calls || arm.Attempts < arm.Calls {
			t.Errorf("%s: %d calls, %d ok, errors %v, %d attempts; want 100 calls, each ok or failed", arm.Name, arm.Calls, arm.OK, arm.Errors, arm.Attempts)
		}
	}
	if surefoot := r[0].Arms[2]; surefoot.Name != "surefoot" || surefoot.OK != 100 {
		t.Errorf("of the calls of %s %d succeeded: %v", surefoot.Name, surefoot.OK, surefoot.Errors)
	}
	if len(r[0].Expectations) != 1 || !r[0].Expectations[0].OK {
		t.Errorf("expectations: %+v", r[0].Expectations)
	}
}

func TestLoopbackPlaysWhatItCanAndSkipsTheRest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := tool(t, "lab", "run", "testdata/smoke.yaml", "testdata/silent.yaml", "--isolation=loopback", "--json", file)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	noControl(t, got.stdout)
	const why = "the fault silent-drop needs a network namespace"
	for _, want := range []string{
		"Real processes on this machine's loopback addresses",
		"silent  the packets of 1 of 3 servers vanish, in a second\n  skipped: " + why + "\n",
		"1 expectation kept, 1 of 2 scenarios skipped in ",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("there is no %q in\n%s", want, got.stdout)
		}
	}
	r := readResults(t, file)
	wantSmoke(t, r, "loopback")
	if len(r) != 2 || r[1].Skipped != why || len(r[1].Arms) != 2 || r[1].Arms[0].Skipped != why || r[1].Arms[0].Calls != 0 || len(r[1].Expectations) != 0 {
		t.Errorf("what was skipped: %+v", r[1:])
	}
}

// What heals is as real as what harms: in the end only the server that was
// healed is left, and it answers.
func TestServersComeBack(t *testing.T) {
	tests := []struct {
		name      string
		events    []string
		calls, ok int64 // of the run; more than these succeed if the server is back
	}{
		{"continued", []string{"stop: server 2\n", "continue: server 2\n", "kill: server 1\n"}, 160, 80},
		{"restarted", []string{"kill: server 1\n", "restart: server 1\n", "kill: server 2\n"}, 320, 160},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "results.json")
			got := tool(t, "lab", "run", "testdata/"+test.name+".yaml", "--isolation=loopback", "--json", file)
			if got.code != 0 || got.stderr != "" {
				t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
			}
			rest := got.stdout
			for _, want := range test.events {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("there is no %q in its place in\n%s", want, got.stdout)
				}
				rest = after
			}
			arm := readResults(t, file)[0].Arms[0]
			if arm.Calls != test.calls || arm.OK <= test.ok {
				t.Errorf("%d of %d calls succeeded, want more than %d of %d", arm.OK, arm.Calls, test.ok, test.calls)
			}
		})
	}
}

// privately runs the tool in namespaces, or skips the test where there are none.
func privately(t *testing.T, args ...string) result {
	t.Helper()
	got := tool(t, append([]string{"lab", "run", "--isolation=namespaces"}, args...)...)
	if got.code == exitUnable && strings.Contains(got.stderr, "this machine gives the lab no world to run in") {
		t.Skip(got.stderr)
	}
	return got
}

func TestNamespaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := privately(t, "testdata/smoke.yaml", "testdata/silent.yaml", "--json", file)
	if got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	noControl(t, got.stdout)
	for _, want := range []string{"kill: server 2\n", "silent-drop: server 2\n", "heal: server 2\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("there is no %q in\n%s", want, got.stdout)
		}
	}
	r := readResults(t, file)
	wantSmoke(t, r, "namespaces")
	// Calls to the silent server take until it is healed, half a second later.
	for _, arm := range r[1].Arms {
		if arm.Calls != 100 || arm.Bad == 0 || arm.LastBad == 0 {
			t.Errorf("%s: %d calls, of them bad %d, the last %v ms after the fault: nobody noticed it", arm.Name, arm.Calls, arm.Bad, arm.LastBad)
		}
	}
}

func TestBrokenExpectation(t *testing.T) {
	got := tool(t, "lab", "run", "testdata/broken-promise.yaml", "--isolation=loopback", "--json=-")
	if got.code != 1 {
		t.Errorf("exit %d, want 1", got.code)
	}
	// The scoreboard makes way for what programs read.
	var r results
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || len(r) != 1 || r[0].Expectations[0].OK {
		t.Errorf("standard output holds %+v (%v)", r, err)
	}
	noControl(t, got.stderr)
	for _, want := range []string{"✗ broken surefoot: every call fails (failed is 0, wanted >= 1)", "1 of 1 expectation broken"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("there is no %q in\n%s", want, got.stderr)
		}
	}
}
