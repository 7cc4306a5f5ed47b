package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/colorprofile"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// plain strips the colours as a file's end of the tool does.
func plain(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := &colorprofile.Writer{Forward: &b, Profile: colorprofile.NoTTY}
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s, when it is meant: go test ./internal/workbench/report -update\ngot\n%s\nwant\n%s", file, got, want)
	}
}

func TestBoards(t *testing.T) {
	boards := map[string]report.Scenario{"silence": silence(), "even": even(), "skipped": skipped()}
	for name, s := range boards {
		for _, width := range []int{80, 140} {
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				board := plain(t, report.Board(s, width))
				golden(t, fmt.Sprintf("%s_%d.txt", name, width), board)
				for line := range strings.Lines(board) {
					line = strings.TrimSuffix(line, "\n")
					if n := utf8.RuneCountInString(line); n > width {
						t.Errorf("a line of %d columns: %q", n, line)
					}
					if strings.TrimRight(line, " ") != line {
						t.Errorf("blanks at the end of %q", line)
					}
				}
				for _, r := range board {
					if r < ' ' && r != '\n' || r == 0x7f {
						t.Errorf("the control character %q", r)
					}
				}
			})
		}
	}
}

// However narrow a terminal says it is, something can be read.
func TestBoardsOfNoWidth(t *testing.T) {
	for _, width := range []int{0, 1, 20, 60} {
		board := plain(t, report.Board(silence(), width))
		for _, want := range []string{"silent-drop", "1,120", "broken"} {
			if !strings.Contains(board, want) {
				t.Errorf("at width %d there is no %q in\n%s", width, want, board)
			}
		}
	}
}

func TestSummary(t *testing.T) {
	good, bad := silence(), silence()
	good.Expectations = good.Expectations[:1]
	others := silence()
	others.Expectations = []report.Expectation{{Arm: "grpc-go", OK: false}}
	tests := []struct {
		name string
		of   []report.Scenario
		want string
		kept bool
	}{
		{"one kept", []report.Scenario{good}, "1 expectation kept in 3s.\n", true},
		{"all kept", []report.Scenario{good, even()}, "2 expectations kept in 3s.\n", true},
		{"one broken", []report.Scenario{good, bad}, "1 of 3 expectations broken in 3s.\n", false},
		{"one skipped", []report.Scenario{good, skipped()}, "1 expectation kept, 1 of 2 scenarios skipped in 3s.\n", true},
		{"all skipped", []report.Scenario{skipped()}, "Nothing was judged, 1 of 1 scenarios skipped in 3s.\n", true},
		{"of another arm only", []report.Scenario{others}, "Nothing was judged in 3s.\n", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := plain(t, report.Summary(test.of, "3s")); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			kept := true
			for _, s := range test.of {
				kept = kept && s.Kept()
			}
			if kept != test.kept {
				t.Errorf("kept: %v, want %v", kept, test.kept)
			}
		})
	}
}

func TestStories(t *testing.T) {
	faulty := report.Scenario{Seconds: 8, FaultAfter: 1, BadAfterMS: 250, SliceSeconds: 2}
	healthy := report.Scenario{Seconds: 8, BadAfterMS: 250}
	tests := []struct {
		name string
		s    report.Scenario
		a    report.Arm
		want string
	}{
		{"nothing noticed", faulty, report.Arm{Calls: 1000, OK: 1000}, "all 1,000 calls succeeded, none took 250 ms or longer: its callers saw nothing."},
		{
			"slower, and none bad", faulty, report.Arm{Calls: 1000, OK: 1000, Figures: report.Figures{P99OverQuiet: new(3.71)}},
			"all 1,000 calls succeeded, none took 250 ms or longer; p99 was 3.7 × that of before the fault.",
		},
		{
			"hardly slower", faulty, report.Arm{Calls: 1000, OK: 1000, Figures: report.Figures{P99OverQuiet: new(1.9)}},
			"all 1,000 calls succeeded, none took 250 ms or longer: its callers saw nothing.",
		},
		{"nothing wrong", healthy, report.Arm{Calls: 10, OK: 10, BusiestOverMean: 1.5}, "all 10 calls succeeded, none took 250 ms or longer. The busiest server carried 1.50 × the mean."},
		{
			"failed and recovered", faulty,
			report.Arm{Calls: 1000, OK: 988, Bad: 12, LastBad: 32.4, Errors: map[string]int64{"UNAVAILABLE": 12}},
			"12 of 1,000 calls failed with UNAVAILABLE; the last bad call was issued 32 ms after the fault.",
		},
		{
			"failed to the end", faulty,
			report.Arm{
				Calls: 1000, OK: 988, Bad: 15, LastBad: 6990, Errors: map[string]int64{"A": 2, "C": 5, "B": 5},
				Timeline: []report.Slice{{}, {Bad: 5}, {}, {Bad: 10}},
			},
			"12 of 1,000 calls failed with B (5), C (5), A (2); 3 succeeded only after 250 ms or more; the last bad call was issued 7.0 s after the fault, when the run ended: it did not recover.",
		},
		{
			"recovered, and an odd one at the end", faulty,
			report.Arm{Calls: 1000, OK: 1000, Bad: 3, LastBad: 6990, Timeline: []report.Slice{{}, {}, {}, {Bad: 3}}},
			"all 1,000 calls succeeded; 3 succeeded only after 250 ms or more; the last bad call was issued 7.0 s after the fault.",
		},
		{
			"bad before the fault", faulty, report.Arm{Calls: 10, OK: 10, Bad: 1},
			"all 10 calls succeeded; 1 succeeded only after 250 ms or more; none of them was issued after the fault.",
		},
		{
			"failed without a fault", healthy, report.Arm{Calls: 10, OK: 9, Bad: 1, Errors: map[string]int64{"INTERNAL": 1}},
			"1 of 10 calls failed with INTERNAL.",
		},
		{"no call", faulty, report.Arm{}, "no call was made, so nothing was shown."},
		{"skipped", faulty, report.Arm{Skipped: "why"}, "skipped: why."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := report.Story(test.s, test.a); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
