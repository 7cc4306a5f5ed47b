package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that should take no time.
const patience = 10 * time.Second

// A process as the kernel knows it; the start tells it from a later one with
// the same number.
type process struct {
	pid     int
	start   string
	network string // its namespace
}

// processes lists what runs, by parent.
func processes() map[int][]process {
	children := map[int][]process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // a constant, valid pattern
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name, in parentheses, may hold anything.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 20 || fields[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		network, _ := os.Readlink(filepath.Join(filepath.Dir(file), "ns/net"))
		children[parent] = append(children[parent], process{pid, fields[19], network})
	}
	return children
}

// descendants are the processes that a process has started, and those that
// they have.
func descendants(pid int) []process {
	children := processes()
	all := slices.Clone(children[pid])
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}

// left are those of the processes that still run, and others in their network.
func left(started []process, own string) []process {
	var still []process
	for _, siblings := range processes() {
		for _, p := range siblings {
			sameNetwork := func(q process) bool { return q.network == p.network && p.network != own && p.network != "" }
			if slices.ContainsFunc(started, func(q process) bool { return q.pid == p.pid && q.start == p.start }) || slices.ContainsFunc(started, sameNetwork) {
				still = append(still, p)
			}
		}
	}
	return still
}

// running is a run of the lab in which servers live, one hangs and one is dead.
type running struct {
	cmd     *exec.Cmd
	stderr  *bytes.Buffer
	places  []string // directories in which nothing may be left
	mounts  []byte
	own     string // network namespace
	started []process
}

func mounts(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func startRun(t *testing.T, isolation string) *running {
	t.Helper()
	r := &running{stderr: &bytes.Buffer{}, places: []string{t.TempDir(), t.TempDir()}, mounts: mounts(t)}
	file, err := filepath.Abs("testdata/long.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r.own, _ = os.Readlink("/proc/self/ns/net")
	r.cmd = exec.Command(builtTool(t), "lab", "run", file, "--isolation", isolation, "--json", "results.json")
	r.cmd.Dir = r.places[0]
	r.cmd.Env = append(os.Environ(), "TMPDIR="+r.places[1])
	r.cmd.Stderr = r.stderr
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "kill: server 2") {
			// 4 servers less the dead one, 2 load programs, and what keeps them.
			if r.started = descendants(r.cmd.Process.Pid); len(r.started) < 6 {
				t.Fatalf("only %d processes run: %+v", len(r.started), r.started)
			}
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // until it ends
			return r
		}
	}
	err = r.cmd.Wait()
	if strings.Contains(r.stderr.String(), "this machine gives the lab no world to run in") {
		t.Skip(r.stderr)
	}
	t.Fatalf("the run has ended: %v\n%s", err, r.stderr)
	return nil
}

// end sends a signal and returns how the tool ended.
func (r *running) end(t *testing.T, signal syscall.Signal) *os.ProcessState {
	t.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.cmd.Wait() }()
	select {
	case <-ended:
		return r.cmd.ProcessState
	case <-time.After(patience):
		t.Fatalf("it runs %v after the signal", patience)
		return nil
	}
}

// clean fails when something of the run is still there. The kernel may take a
// moment to end what it was told to.
func (r *running) clean(t *testing.T, atOnce bool) {
	t.Helper()
	still := left(r.started, r.own)
	for deadline := time.Now().Add(patience); !atOnce && len(still) > 0 && time.Now().Before(deadline); still = left(r.started, r.own) {
		<-time.After(10 * time.Millisecond)
	}
	if len(still) > 0 {
		t.Errorf("of %d processes %d are left: %+v", len(r.started), len(still), still)
	}
	if now := mounts(t); !bytes.Equal(now, r.mounts) {
		t.Errorf("the mounts were\n%s\nand are\n%s", r.mounts, now)
	}
}

func TestInterruptLeavesNothingBehind(t *testing.T) {
	for _, isolation := range []string{"namespaces", "loopback"} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(fmt.Sprintf("%s %v", isolation, signal), func(t *testing.T) {
				r := startRun(t, isolation)
				state := r.end(t, signal)
				if state.ExitCode() != 130 {
					t.Errorf("it ended with %v, want exit status 130", state)
				}
				if got, want := r.stderr.String(), "surefoot: interrupted; nothing was left behind\n"; got != want {
					t.Errorf("it said %q, want %q", got, want)
				}
				r.clean(t, true)
				for _, place := range r.places {
					if entries, err := os.ReadDir(place); err != nil || len(entries) > 0 {
						t.Errorf("there is %v in %s (%v)", entries, place, err)
					}
				}
			})
		}
	}
}

// Even when the tool has no chance to put things in order, the kernel ends what
// it started.
func TestKillLeavesNothingRunning(t *testing.T) {
	for _, isolation := range []string{"namespaces", "loopback"} {
		t.Run(isolation, func(t *testing.T) {
			r := startRun(t, isolation)
			r.end(t, syscall.SIGKILL)
			r.clean(t, false)
		})
	}
}
