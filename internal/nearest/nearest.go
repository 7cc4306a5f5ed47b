// Package nearest hints at the name that was meant when an unknown one was
// written.
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// listed bounds how many names a hint lists.
const listed = 12

// Hint completes a message about the unknown name got: with the one of names
// that was meant, if one is near, and with those that there are.
func Hint(got string, names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	if best := meant(got, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	shown := slices.Sorted(slices.Values(names))
	more := ""
	if len(shown) > listed {
		more = fmt.Sprintf(" and %d more", len(shown)-listed)
		shown = shown[:listed]
	}
	return "use one of: " + strings.Join(shown, ", ") + more
}

// meant returns the name that got abbreviates or misspells, "" if that is none
// or several.
func meant(got string, names []string) string {
	var ends []string
	for _, name := range names {
		if strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(got)) {
			ends = append(ends, name)
		}
	}
	if len(ends) == 1 {
		return ends[0]
	}
	best, least := "", 3+len(got)/8 // a long name has room for more mistakes
	for _, name := range names {
		if abs(len(got)-len(name)) >= least {
			continue
		}
		if d := Distance(strings.ToLower(got), strings.ToLower(name)); d < least && d < len(got) {
			best, least = name, d
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// Distance counts the letters to insert, delete or replace between two words.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
