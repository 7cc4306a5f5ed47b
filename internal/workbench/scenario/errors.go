package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a scenario file.
type Error struct {
	File   string
	Line   int
	Column int
	Text   string // what is wrong and how to fix it
}

// Error writes file:line:column: text.
func (e Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// Errors are all mistakes of one file, in the order of the file.
type Errors []Error

// Error writes one mistake per line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}

// OneOf lists names for a person, and points out the one that was probably
// meant.
func OneOf[S ~string](got string, names []S) string {
	quoted := make([]string, len(names))
	best, distance := "", 3
	for i, name := range names {
		quoted[i] = string(name)
		if d := editDistance(got, string(name)); d < distance {
			best, distance = string(name), d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q? (known: %s)", best, strings.Join(quoted, ", "))
	}
	return "use one of: " + strings.Join(quoted, ", ")
}

// editDistance counts the letters to insert, delete or replace between two
// words.
func editDistance(a, b string) int {
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
