package report

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

const (
	sparkColumns = 24
	wideEnough   = 112 // columns of the terminal that the sparks need
	textWidth    = 96
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
	b.WriteString(arms(s, width))
	b.WriteString("\n")
	for _, a := range s.Arms {
		story := lipgloss.NewStyle().Width(min(width, textWidth) - armWidth).Render(Story(s, a))
		name := lipgloss.NewStyle().Width(armWidth).PaddingLeft(2).Inherit(armStyle(a.Name)).Render(a.Name)
		b.WriteString(lipgloss.JoinHorizontal(lipgloss.Top, name, story) + "\n")
	}
	if len(s.Expectations) > 0 {
		b.WriteString("\n")
	}
	for _, e := range s.Expectations {
		b.WriteString(verdict(e) + "\n")
	}
	if warning := lag(s); warning != "" {
		b.WriteString(caution().Render("  "+warning) + "\n")
	}
	return b.String()
}

const armWidth = 23

func heading() lipgloss.Style { return lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Cyan) }
func caution() lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Yellow) }
func good() lipgloss.Style    { return lipgloss.NewStyle().Foreground(lipgloss.Green) }
func bad() lipgloss.Style     { return lipgloss.NewStyle().Foreground(lipgloss.Red) }
func faint() lipgloss.Style   { return lipgloss.NewStyle().Faint(true) }

func armStyle(name string) lipgloss.Style {
	if name == string(scenario.Surefoot) {
		return lipgloss.NewStyle().Bold(true)
	}
	return lipgloss.NewStyle()
}

// arms is the table with one line per arm.
func arms(s Scenario, width int) string {
	headers := []string{"", "calls", "failed", "attempts", "p50 ms", "p99 ms", "max ms", "busiest", "last bad"}
	wide := width >= wideEnough
	if wide {
		headers = append(headers, axis(s, sparkColumns))
	}
	t := table.New().Headers(headers...).
		Border(lipgloss.NormalBorder()).BorderStyle(faint()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).
		StyleFunc(func(row, column int) lipgloss.Style {
			return cellStyle(s, row, column)
		})
	for _, a := range s.Arms {
		cells := []string{
			a.Name, thousands(a.Calls), thousands(a.Failed()),
			fmt.Sprintf("%.3f ×", a.AttemptsPerCall()),
			figure(a.P50), figure(a.P99), figure(a.Max),
			fmt.Sprintf("%.2f ×", a.BusiestOverMean), lastBad(s, a),
		}
		if wide {
			cells = append(cells, spark(a.Timeline, sparkColumns))
		}
		t.Row(cells...)
	}
	return lipgloss.NewStyle().PaddingLeft(1).Render(t.Render()) + "\n"
}

// The columns that StyleFunc treats on their own.
const (
	nameColumn   = 0
	failedColumn = 2
	lastColumn   = 8
	sparkColumn  = 9
)

func cellStyle(s Scenario, row, column int) lipgloss.Style {
	style := lipgloss.NewStyle().PaddingLeft(1).PaddingRight(1)
	if column != nameColumn && column != sparkColumn {
		style = style.Align(lipgloss.Right)
	}
	if row == table.HeaderRow {
		return style.Inherit(faint())
	}
	a := s.Arms[row]
	switch column {
	case nameColumn:
		return style.Inherit(armStyle(a.Name))
	case failedColumn:
		return style.Inherit(alarm(a.Failed() > 0))
	case lastColumn:
		return style.Inherit(alarm(a.LastBad > 0))
	case sparkColumn:
		return style.Inherit(alarm(a.Bad > 0))
	}
	return style
}

func alarm(on bool) lipgloss.Style {
	if on {
		return bad()
	}
	return good()
}

func lastBad(s Scenario, a Arm) string {
	switch {
	case s.FaultAfter == 0:
		return "-"
	case a.LastBad == 0:
		return "none"
	}
	return "+" + span(a.LastBad)
}

// verdict is one line of expectation, got and want.
func verdict(e Expectation) string {
	mark := good().Render("✓ kept  ")
	if !e.OK {
		mark = bad().Bold(true).Render("✗ broken")
	}
	return fmt.Sprintf("  %s %s: %s %s", mark, e.Arm, e.Text,
		faint().Render(fmt.Sprintf("(%s is %s, wanted %s)", e.Metric, exact(e.Got), e.Want)))
}

// exact shows enough digits that a value beside its bound is told from it.
func exact(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d", int64(v))
	}
	return fmt.Sprintf("%.4g", v)
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
			case e.Arm == string(scenario.Surefoot):
				broken++
			}
		}
	}
	var b strings.Builder
	if broken > 0 {
		b.WriteString(bad().Bold(true).Render(fmt.Sprintf("%d of %d expectations broken", broken, broken+kept)))
	} else if kept > 0 {
		b.WriteString(good().Bold(true).Render(fmt.Sprintf("All %d expectations kept", kept)))
	} else {
		b.WriteString("Nothing was expected")
	}
	if skipped > 0 {
		b.WriteString(caution().Render(fmt.Sprintf(", %d of %d scenarios skipped", skipped, len(scenarios))))
	}
	b.WriteString(" in " + took + ".\n")
	return b.String()
}
