package report

import (
	"fmt"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// A column of the table.
type column struct {
	heading string
	legend  string // what the heading is too short for
	cell    func(Arm) string
	style   func(Arm) lipgloss.Style // nil for a plain one
	left    bool                     // else aligned to the right
	width   int                      // 0 for what its cells need
}

// fitting are the columns of a table that is no wider than the terminal, which lacks
// the least of them where it is too narrow for all.
func fitting(s Scenario, width int) []column {
	for _, enough := range []int{wideEnough, roomy} {
		if shown := columns(s, enough); enough <= width && lipgloss.Width(draw(s, shown)) < width {
			return shown
		}
	}
	shown := columns(s, 0)
	if lipgloss.Width(draw(s, shown)) >= width {
		shown[0].width = armWidth // long names are broken
	}
	return shown
}

// columns are those that say something about the scenario, for a terminal of so many
// columns if arms have short names.
func columns(s Scenario, width int) []column {
	faulty := s.FaultAfter > 0
	all := []struct {
		column
		shown bool
	}{
		{column{heading: "", cell: func(a Arm) string { return a.Name }, style: armStyle, left: true}, true},
		{column{heading: "calls", cell: func(a Arm) string { return thousands(a.Calls) }}, true},
		{column{heading: "failed", cell: func(a Arm) string { return thousands(a.Failed()) }, style: func(a Arm) lipgloss.Style { return alarm(a.Failed() > 0) }}, true},
		{column{heading: "attempts", legend: "attempts: per call", cell: func(a Arm) string { return fmt.Sprintf("%.3f ×", a.AttemptsPerCall()) }}, true},
		{column{heading: "p50 ms", cell: func(a Arm) string { return figure(a.P50) }}, width >= roomy},
		{column{heading: "p99 ms", cell: func(a Arm) string { return figure(a.P99) }}, true},
		{column{heading: "max ms", cell: func(a Arm) string { return figure(a.Max) }}, true},
		{column{
			heading: "busiest", legend: "busiest: its calls beside the mean of all servers",
			cell: func(a Arm) string { return fmt.Sprintf("%.2f ×", a.BusiestOverMean) },
		}, width >= roomy || !faulty},
		{column{
			heading: "last bad", legend: "last bad: when it was issued, after the fault",
			cell: lastBad, style: func(a Arm) lipgloss.Style { return alarm(a.LastBad > 0) },
		}, faulty},
		{column{
			heading: axis(s, sparkColumns), legend: "bars: share of bad calls over time",
			cell:  func(a Arm) string { return spark(a.Timeline, sparkColumns) },
			style: func(a Arm) lipgloss.Style { return alarm(a.Bad > 0) }, left: true,
		}, width >= wideEnough},
	}
	var fit []column
	for _, c := range all {
		if c.shown {
			fit = append(fit, c.column)
		}
	}
	return fit
}

// arms is the table with one line per arm.
func arms(s Scenario, width int) string {
	t := draw(s, fitting(s, width))
	return lipgloss.NewStyle().PaddingLeft(1).Render(t) + "\n"
}

// draw is the table with these columns.
func draw(s Scenario, shown []column) string {
	var headings []string
	for _, c := range shown {
		headings = append(headings, c.heading)
	}
	t := table.New().Headers(headings...).
		Border(lipgloss.NormalBorder()).BorderStyle(faint()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).
		StyleFunc(func(row, i int) lipgloss.Style {
			style := lipgloss.NewStyle().PaddingLeft(1).PaddingRight(1)
			if shown[i].width > 0 {
				style = style.Width(shown[i].width)
			}
			if !shown[i].left {
				style = style.Align(lipgloss.Right)
			}
			switch {
			case row == table.HeaderRow:
				return style.Inherit(faint())
			case shown[i].style != nil:
				return style.Inherit(shown[i].style(s.Arms[row]))
			}
			return style
		})
	for _, a := range s.Arms {
		var cells []string
		for _, c := range shown {
			cells = append(cells, c.cell(a))
		}
		t.Row(cells...)
	}
	return t.Render()
}
