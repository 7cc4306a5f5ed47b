package report

import (
	"fmt"
	"math"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// A fact is a figure that only some scenarios measure, for a person.
type fact struct {
	what string
	cell func(Arm) string // "" where it was not measured
	dull string           // what is not worth a line, if all arms have it
}

// facts are those that people compare, in the order in which they are read. The
// other ones are for expectations.
func facts() []fact {
	return []fact{
		{what: "load added, of the 20 % + 1/s of a budget, at the worst", cell: func(a Arm) string { return percent(a.BudgetUsed, 0) }, dull: percent(0, 0)},
		{what: "calls that succeeded, before the fault", cell: of(func(a Arm) *Goodput { return a.Goodput }, func(g Goodput) string { return percent(g.Before, 1) })},
		{what: "… and from 5 s after its end", cell: func(a Arm) string {
			if a.Goodput == nil || a.After == nil {
				return ""
			}
			return percent(*a.After, 1)
		}},
		{what: "p99, before the fault", cell: of(func(a Arm) *float64 { return a.QuietP99 }, span)},
		{what: "… and from 2 s after it", cell: of(func(a Arm) *float64 { return a.AfterP99 }, span)},
		{what: "attempts that went where it struck, from 2 s after it", cell: of(func(a Arm) *float64 { return a.BadShare }, func(v float64) string { return percent(v, 1) }), dull: percent(1, 1)},
		{what: "the healed had their share again after", cell: of(func(a Arm) *float64 { return a.Returned }, span), dull: span(0)},
		{what: "attempts to the new servers, of a fair share", cell: of(func(a Arm) *float64 { return a.NewShare }, func(v float64) string { return percent(v, 0) })},
		{what: "connections closed to servers that were well", cell: of(func(a Arm) *int64 { return a.Closed }, thousands), dull: thousands(0)},
		{what: "keys that moved", cell: of(func(a Arm) *Keys { return a.Keys }, func(k Keys) string { return thousands(k.Moved) })},
		{what: "… from servers that were well", cell: of(func(a Arm) *Keys { return a.Keys }, func(k Keys) string { return thousands(k.Stray) })},
		{what: "… and were still away at the end", cell: of(func(a Arm) *Keys { return a.Keys }, func(k Keys) string { return thousands(k.Away) })},
		{what: "attempts that came to the bottom", cell: of(func(a Arm) *int64 { return a.BottomAttempts }, thousands)},
		{what: "work for callers that had given up", cell: of(func(a Arm) *float64 { return a.WastedWork }, span)},
		{what: "idempotent calls that failed", cell: of(func(a Arm) *int64 { return a.FailedIdempotent }, thousands)},
		{what: "writes that were applied twice", cell: of(func(a Arm) *int64 { return a.AppliedTwice }, thousands)},
		{what: "writes that were sent, and failed", cell: of(func(a Arm) *Writes { return a.Writes }, func(w Writes) string { return thousands(w.FailedSent) })},
		{what: "… and no word that they may have been applied", cell: of(func(a Arm) *Writes { return a.Writes }, func(w Writes) string { return thousands(w.Unsaid) })},
		{what: "writes that failed and were never sent", cell: of(func(a Arm) *Writes { return a.Writes }, func(w Writes) string { return thousands(w.FailedUnsent) })},
		{what: "… and such a word all the same", cell: of(func(a Arm) *Writes { return a.Writes }, func(w Writes) string { return thousands(w.Overstated) })},
		{what: "changes that watchers missed", cell: of(func(a Arm) *int64 { return a.Missing }, thousands)},
		{what: "… got twice", cell: of(func(a Arm) *int64 { return a.Doubled }, thousands)},
		{what: "… got out of order", cell: of(func(a Arm) *int64 { return a.OutOfOrder }, thousands)},
		{what: "leases that were lost", cell: of(func(a Arm) *int64 { return a.LeasesLost }, thousands)},
	}
}

// of writes what an arm has, if it was measured.
func of[T any](get func(Arm) *T, write func(T) string) func(Arm) string {
	return func(a Arm) string {
		if got := get(a); got != nil {
			return write(*got)
		}
		return ""
	}
}

// percent writes a part of a whole. Nearly all is not all, and nearly nothing is not
// nothing.
func percent(part float64, digits int) string {
	step := math.Pow10(-digits)
	switch rounded := math.Round(part*100/step) * step; {
	case part > 0 && rounded == 0:
		return fmt.Sprintf("< %.*f %%", digits, step)
	case part < 1 && rounded >= 100:
		return fmt.Sprintf("> %.*f %%", digits, 100-step)
	}
	return fmt.Sprintf("%.*f %%", digits, part*100)
}

// figureWidth is the columns of one arm in the comparison.
const figureWidth = 15

// comparison puts what only some scenarios measure side by side; "" when nothing
// was.
func comparison(s Scenario, width int) string {
	names := []string{""}
	for _, a := range s.Arms {
		names = append(names, a.Name)
	}
	// Headings of a table are cut, and the cells of a row are broken into lines.
	t := table.New().Row(names...).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).
		StyleFunc(func(row, i int) lipgloss.Style {
			style := lipgloss.NewStyle().PaddingLeft(1).PaddingRight(1)
			if i == 0 {
				return style
			}
			style = style.Width(figureWidth).Align(lipgloss.Right, lipgloss.Bottom)
			if row == 0 {
				return style.Inherit(faint())
			}
			return style.Inherit(armStyle(s.Arms[i-1]))
		})
	widest := 0
	for _, f := range facts() {
		cells := f.cells(s.Arms)
		if cells == nil {
			continue
		}
		widest = max(widest, lipgloss.Width(f.what))
		t.Row(append([]string{f.what}, cells...)...)
	}
	if widest == 0 {
		return ""
	}
	if widest+3+figureWidth*len(s.Arms) > width {
		t.Width(max(width-1, leastRoom))
	}
	return lipgloss.NewStyle().PaddingLeft(1).Render(t.Render()) + "\n"
}

// cells are the arms' figures; nil when there is nothing to tell.
func (f fact) cells(arms []Arm) []string {
	cells, telling := make([]string, len(arms)), false
	for i, a := range arms {
		if cells[i] = f.cell(a); cells[i] == "" {
			cells[i] = "–"
			continue
		}
		telling = telling || cells[i] != f.dull
	}
	if !telling {
		return nil
	}
	return cells
}
