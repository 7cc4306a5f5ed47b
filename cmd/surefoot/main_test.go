package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/surefoot-rpc/surefoot/internal/workbench/lab"
	"github.com/surefoot-rpc/surefoot/scenarios"
)

var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// builtTool is the path of the tool, built once.
func builtTool(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		// Links all of the tool into this test, so that the go command does
		// not take an older result for one of a tool that has changed.
		_ = root()
		if built.dir, built.err = os.MkdirTemp("", "surefoot-test-"); built.err != nil { //nolint:usetesting // it outlives the first test that needs it
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "surefoot")
}

// A result is how the tool ended and what it said.
type result struct {
	code           int
	stdout, stderr string
}

// tool runs the tool to its end, its output going to nobody's terminal.
func tool(t *testing.T, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), builtTool(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// noControl fails when a text holds anything but lines of text.
func noControl(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' && r != '\n' || r == 0x7f {
			t.Errorf("the control character %q in\n%q", r, text)
			return
		}
	}
}

func TestListShowsEveryScenario(t *testing.T) {
	got := tool(t, "lab", "list")
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit %d, %s", got.code, got.stderr)
	}
	noControl(t, got.stdout)
	for _, name := range scenarioNames() {
		s, err := findScenario(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(s.Intent, " ")
		mark := ""
		if slices.Contains(scenarios.Order(), name) {
			mark = " (in the default run)"
		}
		if strings.Contains(got.stdout, " \n") {
			t.Error("a line ends with a space")
		}
		for _, want := range []string{"\n" + name + "  " + s.Summary + mark + "\n", "\n  " + first} {
			if !strings.Contains("\n"+got.stdout, want) {
				t.Errorf("there is no %q in\n%s", want, got.stdout)
			}
		}
	}
}

// What cannot be done is said before anything runs, with exit code 2.
func TestWrongCommandLines(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "results.json")
	unreadable := t.TempDir() + "/unreadable.yaml" // a directory: not even root reads it as a file
	if err := os.Mkdir(unreadable, 0o700); err != nil {
		t.Fatal(err)
	}
	known := strings.Join(scenarioNames(), ", ")
	tests := []struct {
		name string
		args []string
		want string // all of standard error
	}{
		{"unknown scenario", []string{"lab", "run", "everything"}, `surefoot: there is no scenario "everything": use one of: ` + known + `, or the path of a .yaml file`},
		{"misspelled scenario", []string{"lab", "run", "kill", "evenload"}, `surefoot: there is no scenario "evenload": did you mean "even-load"? (known: ` + known + `), or the path of a .yaml file`},
		{"several at once", []string{"lab", "run", "a.yaml", "kil"}, "surefoot: scenario file: open a.yaml: no such file or directory\n" +
			`surefoot: there is no scenario "kil": did you mean "kill"? (known: ` + known + `), or the path of a .yaml file`},
		{"unreadable file", []string{"lab", "run", unreadable}, "surefoot: scenario file: read " + unreadable + ": is a directory"},
		{"wrong file", []string{"lab", "run", "testdata/wrong.yaml"}, "testdata/wrong.yaml:8:13: load.duration is 1 without a unit: write 250ms, 2s or 1m30s\n" +
			"testdata/wrong.yaml:12:15: there is no server 20: fleet.servers is 10, and they are numbered from 1"},
		{"wrong contract", []string{"lab", "run", "testdata/contract.yaml"}, "testdata/contract.yaml:7:18: inventory.v1.Inventory: connection.connect_timeout_ms is -1: set the time a connect may take, such as 1000"},
		{"unknown profile", []string{"lab", "run", "testdata/profile.yaml"}, `testdata/profile.yaml:6: arm hurried: the client's choice: profile is "interactiv", which no service of this client has: did you mean "interactive"?`},
		{"path that leads out of the scenarios", []string{"lab", "run", "../kill"}, `surefoot: there is no scenario "../kill": use one of: ` + known + `, or the path of a .yaml file`},
		{"no scenario", []string{"lab", "run"}, "surefoot: no scenario is named: surefoot lab run NAME..., which surefoot lab list lists; surefoot lab run all for all, surefoot lab for the default run"},
		{"results where nothing can be", []string{"lab", "run", "kill", "--json", missing}, "surefoot: --json: open " + missing + ": no such file or directory"},
		{"unknown isolation", []string{"lab", "run", "kill", "--isolation", "moon"}, `surefoot: unknown isolation "moon": use namespaces or loopback`},
		{"unknown flag", []string{"lab", "--fast"}, "surefoot: unknown flag: --fast"},
		{"forgotten run", []string{"lab", "kill"}, "surefoot: to run a scenario: surefoot lab run kill"},
		{"forgotten run of a file", []string{"lab", "x.yaml"}, "surefoot: to run a scenario: surefoot lab run x.yaml"},
		{"misspelled command", []string{"lab", "lst"}, `surefoot: unknown command "lst" for surefoot lab: did you mean "list"? (known: run, list)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := tool(t, test.args...)
			if got.code != 2 || got.stdout != "" || got.stderr != test.want+"\n" {
				t.Errorf("exit %d, want 2\nstdout %q\nstderr %s\nwant   %s", got.code, got.stdout, got.stderr, test.want)
			}
		})
	}
}

func TestColours(t *testing.T) {
	const text = "\x1b[1mbold\x1b[m \x1b[31mred\x1b[m"
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"a file", nil, "bold red"},
		{"a file, colours wanted", map[string]string{"CLICOLOR_FORCE": "1"}, text},
		{"no colour, whatever the word", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "please"}, "\x1b[1mbold\x1b[m \x1b[mred\x1b[m"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR", "COLORTERM", "TTY_FORCE"} {
				t.Setenv(name, test.env[name])
			}
			t.Setenv("TERM", "xterm")
			var b bytes.Buffer
			fmt.Fprint(colorful(&b), text)
			if b.String() != test.want {
				t.Errorf("got %q, want %q", b.String(), test.want)
			}
		})
	}
}

// The changing line fits, with room for the ^C of an interrupt, and says what
// matters in any terminal of 80 columns.
func TestStatusFits(t *testing.T) {
	for _, width := range []int{1, 20, 80, 140} {
		for phase, want := range map[lab.Phase]string{lab.Starting: "starting", lab.Running: "12.0 of 60.0 s, 123456 calls, 1234 failed"} {
			line := status(lab.Progress{
				Scenario: "silent-drop", Arm: "grpc-go round_robin", Phase: phase,
				Done: 12 * time.Second, Of: time.Minute, Calls: 123456, Failed: 1234,
			}, width)
			var b bytes.Buffer
			fmt.Fprint(colorful(&b), line)
			if n := utf8.RuneCount(b.Bytes()); n > max(width-echoWidth, 1) {
				t.Errorf("%d columns of %d: %q", n, width, b.String())
			}
			if width >= 80 && (!strings.HasPrefix(b.String(), "silent-drop  grpc-go round_robin ") || !strings.HasSuffix(b.String(), "  "+want)) {
				t.Errorf("at %d columns it says %q", width, b.String())
			}
			if bar := strings.Count(b.String(), "━"); width == 140 && bar != barWidth {
				t.Errorf("a bar of %d columns", bar)
			}
		}
	}
}

func TestResultsFile(t *testing.T) {
	fresh, old := filepath.Join(t.TempDir(), "fresh.json"), filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(old, []byte("what was there before, and longer than what comes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fresh, old} {
		before, beforeErr := os.ReadFile(path)
		file, err := openResults(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.abandon(); err != nil {
			t.Fatal(err)
		}
		after, afterErr := os.ReadFile(path)
		if !bytes.Equal(before, after) || (beforeErr == nil) != (afterErr == nil) {
			t.Errorf("%s held %q and holds %q after a run that was abandoned (%v)", path, before, after, afterErr)
		}
		if file, err = openResults(path); err != nil {
			t.Fatal(err)
		}
		if err := file.write(nil); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "[]\n" {
			t.Errorf("%s holds %q after a run (%v)", path, text, err)
		}
	}
	if file, err := openResults(os.DevNull); err != nil || file.write(nil) != nil {
		t.Errorf("a device is no place for results: %v", err)
	}
}
