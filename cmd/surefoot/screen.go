package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"

	"github.com/surefoot-rpc/surefoot/internal/workbench/lab"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

const (
	plainWidth = 120 // of a scoreboard that does not go to a terminal
	barWidth   = 20
	clearLine  = "\r\x1b[K"
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
)

// screen shows a run to a person: one line that changes in a terminal, plain
// lines elsewhere. It is used from one goroutine.
type screen struct {
	out      io.Writer // understands colour as far as its end does
	terminal *os.File  // nil when the output is none
	started  time.Time
	all      time.Duration // of the measured parts of all arms
	live     bool          // the changing line stands
	arm      string        // that plain lines spoke of last
}

func newScreen(w io.Writer, todo []*scenario.Scenario) *screen {
	s := &screen{out: colorful(w), started: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb" {
		s.terminal = f
		fmt.Fprint(f, hideCursor)
	}
	for _, sc := range todo {
		s.all += time.Duration(len(sc.Arms)) * (sc.Load.Warmup + sc.Load.Duration)
	}
	return s
}

// colorful passes on as much colour as the other end of w shows. A file gets
// none, and neither does anybody who sets NO_COLOR, whatever to
// (no-color.org).
func colorful(w io.Writer) io.Writer {
	out := colorprofile.NewWriter(w, os.Environ())
	if os.Getenv("NO_COLOR") != "" {
		out.Profile = min(out.Profile, colorprofile.ASCII)
	}
	return out
}

// close puts the terminal back in order. It may be called twice.
func (s *screen) close() {
	if s.terminal != nil {
		s.clear()
		fmt.Fprint(s.terminal, showCursor)
	}
}

func (s *screen) clear() {
	if s.live {
		fmt.Fprint(s.terminal, clearLine)
		s.live = false
	}
}

func (s *screen) width() int {
	if s.terminal != nil {
		if width, _, err := term.GetSize(s.terminal.Fd()); err == nil && width > 0 {
			return width
		}
	}
	return plainWidth
}

// opened says what the lab works in, and why not in something better.
func (s *screen) opened(l *lab.Lab) {
	if l.Isolation() == lab.Namespaces || len(l.Refusals()) == 0 {
		fmt.Fprintf(s.out, "%s\n\n", lipgloss.NewStyle().Faint(true).Render(
			fmt.Sprintf("Real processes on %s; about %v.", place(l.Isolation()), s.estimate())))
		return
	}
	caution := lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	fmt.Fprintf(s.out, "%s\n", caution.Render("This machine refuses the lab a network of its own:"))
	for _, refusal := range l.Refusals() {
		fmt.Fprintf(s.out, "%s\n", report.Hanging("  - ", refusal, min(s.width(), plainWidth)))
	}
	fmt.Fprintf(s.out, "Going on with %s; what needs a network of its own is skipped.\n\n", place(l.Isolation()))
}

func place(i lab.Isolation) string {
	if i == lab.Namespaces {
		return "a private network"
	}
	return "this machine's loopback addresses"
}

// estimate is how long the run will take, from experience with starting and
// ending an arm.
func (s *screen) estimate() time.Duration {
	return max(s.all*11/10, time.Second).Round(time.Second)
}

// progress shows how far the running arm is.
func (s *screen) progress(p lab.Progress) {
	if s.terminal == nil {
		s.plain(p)
		return
	}
	if p.Event != "" {
		return // the line has no room; the scoreboard shows it
	}
	s.clear()
	fmt.Fprint(s.out, status(p, s.width()))
	s.live = true
}

// echoWidth is what a terminal writes when somebody presses Ctrl-C. Without
// room for it the line would break, and could not be cleared.
const echoWidth = 3

// status is the changing line: how far the arm is. In a narrow terminal the bar
// makes way for the words.
func status(p lab.Progress, width int) string {
	name := lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Cyan).Render(p.Scenario) + fmt.Sprintf("  %-19s ", p.Arm)
	words := "  " + counted(p)
	bar := min(max(width-echoWidth-lipgloss.Width(name+words), 0), barWidth)
	full := 0
	if p.Of > 0 {
		full = min(max(int(float64(p.Done)/float64(p.Of)*float64(bar)), 0), bar)
	}
	line := name + strings.Repeat("━", full) + lipgloss.NewStyle().Faint(true).Render(strings.Repeat("━", bar-full)) + words
	return lipgloss.NewStyle().MaxWidth(max(width-echoWidth, 1)).Render(line)
}

// counted says what the running arm has done.
func counted(p lab.Progress) string {
	switch p.Phase {
	case lab.Running, lab.Settling:
		failed := "0 failed"
		if p.Failed > 0 {
			failed = lipgloss.NewStyle().Foreground(lipgloss.Red).Render(fmt.Sprintf("%d failed", p.Failed))
		}
		return fmt.Sprintf("%.1f of %.1f s, %d calls, %s", p.Done.Seconds(), p.Of.Seconds(), p.Calls, failed)
	default:
		return string(p.Phase)
	}
}

// plain writes one line per arm and one per fault.
func (s *screen) plain(p lab.Progress) {
	if arm := p.Scenario + ", " + p.Arm; arm != s.arm {
		s.arm = arm
		fmt.Fprintf(s.out, "%6.1fs  %s\n", time.Since(s.started).Seconds(), arm)
	}
	if p.Event != "" {
		fmt.Fprintf(s.out, "%6.1fs    %s\n", time.Since(s.started).Seconds(), p.Event)
	}
}

// scenario shows the scoreboard of a scenario that has ended.
func (s *screen) scenario(r report.Scenario) {
	s.clear()
	fmt.Fprintf(s.out, "%s\n", report.Board(r, s.width()))
}

// summary ends the run.
func (s *screen) summary(results []report.Scenario) {
	s.close()
	fmt.Fprint(s.out, report.Summary(results, time.Since(s.started).Round(time.Second).String()))
}
