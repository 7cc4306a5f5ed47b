package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

const (
	sparkColumns = 24
	wideEnough   = 118 // columns of the terminal that the sparks need
	roomy        = 92  // that the rest of the table needs
	textWidth    = 100
	leastRoom    = 20 // for a text, however narrow the terminal
	markWidth    = 11
	lagWarning   = 100.0 // ms by which the lab may be late before its figures are doubtful
)

// Board draws one scenario for a person, for a terminal of the given width. It
// is full of colour; writers that cannot show it must strip it.
func Board(s Scenario, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", heading().Render(s.Name), s.Summary)
	if s.Skipped != "" {
		fmt.Fprintf(&b, "  %s %s\n", caution().Render("skipped:"), s.Skipped)
		return b.String()
	}
	text := min(width, textWidth)
	b.WriteString(arms(s, width))
	b.WriteString(Hanging("  ", faint().Render(legend(s, width)), text) + "\n\n")
	for _, a := range s.Arms {
		name := lipgloss.NewStyle().Width(armWidth).PaddingLeft(2).PaddingRight(1).Inherit(armStyle(a)).Render(a.Name)
		b.WriteString(Hanging(name, Story(s, a), text) + "\n")
	}
	if more := comparison(s, width); more != "" {
		b.WriteString("\n" + more)
	}
	if len(s.Expectations) > 0 {
		b.WriteString("\n")
	}
	for _, e := range s.Expectations {
		b.WriteString(verdict(e, width) + "\n")
	}
	if warning := lag(s); warning != "" {
		b.WriteString("\n" + Hanging("  ", caution().Render(warning), text) + "\n")
	}
	return trimmed(b.String())
}

// Hanging puts a text beside a label and breaks it so that it fits into width.
func Hanging(label, text string, width int) string {
	room := max(width-lipgloss.Width(label), leastRoom)
	return trimmed(lipgloss.JoinHorizontal(lipgloss.Top, label, lipgloss.NewStyle().Width(room).Render(text)))
}

var (
	blankEnd = regexp.MustCompile(`(?m)(?: |\x1b\[[0-9;]*m)+$`) // with changes of colour in it
	reset    = "\x1b[m"
)

// trimmed removes the blanks with which lipgloss fills lines up.
func trimmed(text string) string {
	return blankEnd.ReplaceAllStringFunc(text, func(end string) string {
		if strings.Contains(end, "\x1b") {
			return reset
		}
		return ""
	})
}

// legend explains what the headings are too short for.
func legend(s Scenario, width int) string {
	bad := fmt.Sprintf("bad: failed, or took %s or longer", span(s.BadAfterMS))
	shown := []string{bad}
	for _, c := range fitting(s, width) {
		if c.legend != "" {
			shown = append(shown, c.legend)
		}
	}
	return strings.Join(shown, " · ")
}

const armWidth = 23

func heading() lipgloss.Style { return lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Cyan) }
func caution() lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Yellow) }
func good() lipgloss.Style    { return lipgloss.NewStyle().Foreground(lipgloss.Green) }
func bad() lipgloss.Style     { return lipgloss.NewStyle().Foreground(lipgloss.Red) }
func faint() lipgloss.Style   { return lipgloss.NewStyle().Faint(true) }

func armStyle(a Arm) lipgloss.Style {
	if a.Client == string(scenario.Surefoot) {
		return lipgloss.NewStyle().Bold(true)
	}
	return lipgloss.NewStyle()
}

func alarm(on bool) lipgloss.Style {
	if on {
		return bad()
	}
	return good()
}

func lastBad(a Arm) string {
	if a.LastBad == 0 {
		return "none"
	}
	return "+" + span(a.LastBad)
}

// verdict is one expectation, what was got and what was wanted.
func verdict(e Expectation, width int) string {
	mark := good().Render("✓ kept")
	if !e.OK {
		mark = bad().Bold(true).Render("✗ broken")
	}
	label := lipgloss.NewStyle().Width(markWidth).PaddingLeft(2).Render(mark)
	got, want := "is"+unbroken+exact(e), "wanted"+unbroken+strings.ReplaceAll(e.Want, " ", unbroken)
	if e.Beside != "" {
		got += " × that of " + e.Beside
	}
	figures := fmt.Sprintf("(%s %s, %s)", e.Metric, got, want)
	text := e.Arm + ": " + e.Text + " " + faint().Render(figures)
	if e.Doubt != "" {
		text += " " + caution().Render("("+e.Doubt+")")
	}
	return strings.ReplaceAll(Hanging(label, text, width), unbroken, " ")
}

// unbroken is a blank at which no line ends.
const unbroken = "\u00a0"

// exact writes what was got with so many digits that it is seen on which side
// of the bound it is.
func exact(e Expectation) string {
	if e.Got == float64(int64(e.Got)) {
		return strconv.FormatInt(int64(e.Got), 10)
	}
	bound, err := scenario.ParseBound(e.Want)
	for digits := 4; digits < 17 && err == nil; digits++ {
		text := strconv.FormatFloat(e.Got, 'g', digits, 64)
		if rounded, err := strconv.ParseFloat(text, 64); err == nil && bound.Holds(rounded) == bound.Holds(e.Got) {
			return text
		}
	}
	return strconv.FormatFloat(e.Got, 'g', -1, 64)
}

// lag warns when the machine was too busy for the figures to be trusted.
func lag(s Scenario) string {
	worst := 0.0
	for _, a := range s.Arms {
		worst = max(worst, a.MaxLag)
	}
	if worst < lagWarning {
		return ""
	}
	return fmt.Sprintf("The lab issued a call %s late: this machine was busy with other things, and slow calls may be its fault.", span(worst))
}

// Summary is the last lines of a run: what was kept and what was not.
func Summary(scenarios []Scenario, took string) string {
	kept, broken, skipped := 0, 0, 0
	for _, s := range scenarios {
		if s.Skipped != "" {
			skipped++
			continue
		}
		for _, e := range s.Expectations {
			switch {
			case e.OK:
				kept++
			case s.ours(e):
				broken++
			}
		}
	}
	var b strings.Builder
	switch {
	case broken > 0:
		b.WriteString(bad().Bold(true).Render(fmt.Sprintf("%d of %s broken", broken, expectations(broken+kept))))
	case kept > 0:
		b.WriteString(good().Bold(true).Render(expectations(kept) + " kept"))
	default:
		b.WriteString("Nothing was judged")
	}
	if skipped > 0 {
		b.WriteString(caution().Render(fmt.Sprintf(", %d of %d scenarios skipped", skipped, len(scenarios))))
	}
	b.WriteString(" in " + took + ".\n")
	return b.String()
}

func expectations(n int) string {
	if n == 1 {
		return "1 expectation"
	}
	return strconv.Itoa(n) + " expectations"
}
