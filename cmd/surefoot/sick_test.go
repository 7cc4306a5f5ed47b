package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// All that can happen to a fleet without a network of its own, in a tiny run.
func TestSickFleet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := tool(t, "lab", "run", "testdata/sick.yaml", "--isolation=loopback", "--json", file)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	for _, want := range []string{"join: server 4\n", "answer NOT_FOUND to 50 % of calls: servers 1, 2, 3, 4\n", "slow 3 ×: server 1\n", "dns: servfail\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("there is no %q in\n%s", want, got.stdout)
		}
	}
	for _, arm := range readResults(t, file)[0].Arms {
		if n := arm.Errors["NOT_FOUND"]; arm.Calls != 1000 || n == 0 || n+arm.OK != 1000 {
			t.Errorf("%s: %d calls, %d ok, errors %v: want 1000 and some NOT_FOUND only", arm.Name, arm.Calls, arm.OK, arm.Errors)
		}
		if ages := strings.HasSuffix(arm.Name, "MaxConnectionAge"); (arm.Closed > 0) != ages {
			t.Errorf("%s: %d connections were closed", arm.Name, arm.Closed)
		}
		if arm.NewShare == nil || arm.Moved == nil {
			t.Errorf("%s: the new share is %v, the moved keys %v", arm.Name, arm.NewShare, arm.Moved)
		}
	}
}

func TestVirtualAddress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := privately(t, "testdata/virtual.yaml", "--json", file)
	if got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	// A tenth of the calls come before the kill. A connection that is made anew
	// in the very millisecond of it may be refused, after which plain grpc-go
	// waits for up to 1.2 s; by then none leads to the dead server any more.
	for _, arm := range readResults(t, file)[0].Arms {
		if arm.Calls != 600 || arm.OK < 200 {
			t.Errorf("%s: %d of %d calls succeeded, errors %v: all clients should come to the server that lives", arm.Name, arm.OK, arm.Calls, arm.Errors)
		}
	}
}
