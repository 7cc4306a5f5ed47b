package ejection

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

var update = flag.Bool("update", false, "rewrite the changes in testdata/*.trace")

// TestTraces replays testdata/*.trace: first what the endpoints do, each line a
// time or a range of times with a step, in any order:
//
//	endpoints 3 dry-run
//	0s..9s/100ms good 10ms 0 1
//	0s..9s/1s bad 3ms 2
//	12s gone 1
//	20s off
//
// An attempt on an endpoint that is out is not made, but for its trials. What
// follows is what is decided, on lines that begin with an arrow, which -update
// rewrites. Sweeps run when they are due or asked for; there is no jitter.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.trace")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".trace"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := replay(string(b))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := strings.Split(string(b), "\n")
			for i, line := range strings.Split(got, "\n") {
				if i >= len(want) || want[i] != line {
					t.Fatalf("%s:%d: got %q\nrun with -update if that is right", file, i+1, line)
				}
			}
		})
	}
}

// An event is one thing that happens to one endpoint.
type event struct {
	at       time.Duration
	what     string
	latency  time.Duration
	endpoint int
}

func replay(trace string) (string, error) {
	var (
		out    strings.Builder
		events []event
		size   int
		p      = policy.HouseEjection()
	)
	for line := range strings.SplitSeq(strings.TrimRight(trace, "\n"), "\n") {
		if strings.HasPrefix(line, "->") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if fields := strings.Fields(line); fields[0] == "endpoints" {
			if _, err := fmt.Sscan(fields[1], &size); err != nil {
				return "", err
			}
			p.DryRun = len(fields) > 2 && fields[2] == "dry-run"
			continue
		}
		es, err := readEvents(line)
		if err != nil {
			return "", fmt.Errorf("%q: %w", line, err)
		}
		events = append(events, es...)
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	play(&out, size, p, events)
	return out.String(), nil
}

func readEvents(line string) ([]event, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return nil, errors.New("want a time and an event")
	}
	times, steps, _ := strings.Cut(fields[0], "/")
	first, last, ranged := strings.Cut(times, "..")
	if !ranged {
		last, steps = first, "1s"
	}
	start, err1 := time.ParseDuration(first)
	end, err2 := time.ParseDuration(last)
	step, err3 := time.ParseDuration(steps)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	e, names := event{what: fields[1]}, fields[2:]
	switch e.what {
	case "off":
		names = []string{"0"}
	case "gone":
	default:
		var err error
		if e.latency, err = time.ParseDuration(fields[2]); err != nil {
			return nil, err
		}
		names = fields[3:]
	}
	var es []event
	for e.at = start; e.at <= end; e.at += step {
		for _, name := range names {
			if _, err := fmt.Sscan(name, &e.endpoint); err != nil {
				return nil, err
			}
			es = append(es, e)
		}
	}
	return es, nil
}

func play(out *strings.Builder, size int, p policy.Ejection, events []event) {
	f := New(p)
	var records []*Record
	var names []int
	for i := range size {
		records, names = append(records, new(Record)), append(names, i)
	}
	due := time.Millisecond
	sweep := func(now time.Duration) {
		var changes []Change
		changes, due = f.Sweep(now, records, 0)
		for _, c := range changes {
			fmt.Fprintf(out, "-> %v %d is %v: %s\n", now, names[c.Index], c.To, c.Why)
		}
	}
	for _, e := range append(events, event{at: events[len(events)-1].at + 30*time.Second, what: "end"}) {
		for due > 0 && due <= e.at {
			sweep(due)
		}
		i := slices.Index(names, e.endpoint)
		if i < 0 {
			continue
		}
		r := records[i]
		switch e.what {
		case "end":
		case "off":
			p.Off = true
			f.Configure(p)
			sweep(e.at)
		case "gone":
			records, names = slices.Delete(records, i, i+1), slices.Delete(names, i, i+1)
			sweep(e.at)
		default:
			// An attempt that ends now began before, which is when it was picked.
			if r.Out() && !r.TakeTrial(e.at-e.latency) {
				continue
			}
			evidence := outcome.None
			for ; evidence.String() != e.what; evidence++ {
			}
			if r.Add(e.at, evidence, e.latency) {
				sweep(e.at)
			}
		}
	}
}
