package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLayers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := tool(t, "lab", "run", "testdata/chain.yaml", "--isolation=loopback", "--json", file)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	if want := "× that of naive retries, wanted < 1)"; !strings.Contains(got.stdout, want) {
		t.Errorf("there is no %q in\n%s", want, got.stdout)
	}
	for _, arm := range readResults(t, file)[0].Arms {
		if arm.Calls != 100 || arm.BottomAttempts == nil || *arm.BottomAttempts < 100 || arm.WastedWork == nil || arm.GoodputBefore == nil {
			t.Errorf("%s: %+v", arm.Name, arm)
		}
	}
}

func TestLostReplies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := tool(t, "lab", "run", "testdata/writes.yaml", "--isolation=loopback", "--json", file)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	if want := "lose-reply of 10 % of calls: servers 1, 2\n"; !strings.Contains(got.stdout, want) {
		t.Errorf("there is no %q in\n%s", want, got.stdout)
	}
	arms := readResults(t, file)[0].Arms
	if twice := arms[1].AppliedTwice; twice == nil || *twice != 0 {
		t.Errorf("surefoot: %v writes were applied twice", twice)
	}
	if twice := arms[0].AppliedTwice; twice == nil || *twice == 0 {
		t.Errorf("a loop: %v writes were applied twice", twice)
	}
}

func TestStreams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	got := tool(t, "lab", "run", "testdata/streams.yaml", "--isolation=loopback", "--json", file)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit %d, %s\n%s", got.code, got.stderr, got.stdout)
	}
	for _, arm := range readResults(t, file)[0].Arms {
		if arm.Missing == nil || arm.Doubled == nil || *arm.Doubled != 0 || arm.OutOfOrder == nil || arm.LeasesLost == nil {
			t.Errorf("%s: %+v", arm.Name, arm)
		}
	}
}
