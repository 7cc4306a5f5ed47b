package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/lipgloss/v2"

	"github.com/surefoot-rpc/surefoot/contract"
)

// The columns of the table: the names that a value has below its group, the
// value, where it comes from.
const (
	explainWidth = 80
	nameColumn   = 31
	valueColumn  = 20
)

// writeExplanation writes tables for people, no wider than explainWidth.
func writeExplanation(w io.Writer, explained []contract.Explanation) error {
	bold := lipgloss.NewStyle().Bold(true)
	var b strings.Builder
	for i, e := range explained {
		for _, s := range e.Services {
			if i > 0 {
				b.WriteString("\n")
			}
			b.WriteString(bold.Render(s.Name) + "\n")
			for _, m := range s.Methods {
				fmt.Fprintf(&b, "\n  %s  %s\n", bold.Render(m.Name), m.Kind)
				writeValues(&b, m.Values)
			}
		}
		fmt.Fprintf(&b, "\n  %s\n", bold.Render("the channel"))
		writeValues(&b, e.Channel)
		for i, c := range e.Conflicts {
			if i == 0 {
				fmt.Fprintf(&b, "\n  %s\n", bold.Render("overrides that leave a method alone"))
			}
			b.WriteString("    " + c.String() + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeValues writes a line for each value, those of a message in a group below
// its name.
func writeValues(b *strings.Builder, values []contract.Value) {
	faint := lipgloss.NewStyle().Faint(true)
	group := ""
	for _, v := range values {
		name := v.Field
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			if in := name[:dot]; in != group {
				group = in
				fmt.Fprintf(b, "    %s\n", group)
			}
			name = "  " + name[dot+1:]
		} else {
			group = ""
		}
		line := fmt.Sprintf("    %-*s ", nameColumn-5, name)
		texts := wrapped(v.Text, valueColumn-1)
		left := explainWidth - nameColumn - valueColumn
		origin := originText(v.Origin, left)
		if v.Origin.Level == contract.LevelHouse {
			origin = faint.Render(origin)
		}
		fmt.Fprintf(b, "%s%s%s\n", line, pad(texts[0], valueColumn), origin)
		for _, text := range texts[1:] {
			fmt.Fprintf(b, "%s%s\n", strings.Repeat(" ", nameColumn), text)
		}
		if v.Note != "" {
			fmt.Fprintf(b, "%s%s\n", strings.Repeat(" ", nameColumn), faint.Render("("+v.Note+")"))
		}
	}
}

// pad makes text at least so wide, with a space behind.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 1))
}

// wrapped breaks text into lines at its spaces.
func wrapped(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// originText says where a value comes from, in at most so many columns: the
// line of a file last, and its name cut from the left.
func originText(o contract.Origin, width int) string {
	text := string(o.Level)
	switch o.Medium {
	case contract.MediumBuiltIn:
		return text
	case contract.MediumGo:
		return text + ", in Go"
	default:
	}
	pos := o.Position
	pos.Column = 0
	where := pos.String()
	if room := width - len(text) - 1; utf8.RuneCountInString(where) > room {
		if base := path.Base(where); len(base)+2 <= room {
			where = "…/" + base
		} else {
			runes := []rune(where)
			where = "…" + string(runes[len(runes)-room+1:])
		}
	}
	return text + " " + where
}

// What --json prints; docs/explain.md describes it.
type (
	serviceJSON struct {
		Service string       `json:"service"`
		Methods []methodJSON `json:"methods"`
		Channel []valueJSON  `json:"channel"`
		// Conflicts are as texts.
		Conflicts []string `json:"conflicts,omitempty"`
	}
	methodJSON struct {
		Method string        `json:"method"`
		Kind   contract.Kind `json:"kind"`
		Values []valueJSON   `json:"values"`
	}
	valueJSON struct {
		Field  string     `json:"field"`
		Value  any        `json:"value"`
		Note   string     `json:"note,omitempty"`
		Origin originJSON `json:"origin"`
	}
	originJSON struct {
		Level  contract.Level  `json:"level"`
		Medium contract.Medium `json:"in"`
		File   string          `json:"file,omitempty"`
		Line   int             `json:"line,omitempty"`
		Column int             `json:"column,omitempty"`
	}
)

func writeExplanationJSON(w io.Writer, explained []contract.Explanation) error {
	out := []serviceJSON{}
	for _, e := range explained {
		for _, s := range e.Services {
			one := serviceJSON{Service: s.Name, Methods: []methodJSON{}, Channel: valuesJSON(e.Channel)}
			for _, m := range s.Methods {
				one.Methods = append(one.Methods, methodJSON{m.Name, m.Kind, valuesJSON(m.Values)})
			}
			for _, c := range e.Conflicts {
				one.Conflicts = append(one.Conflicts, c.String())
			}
			out = append(out, one)
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(slices.Clip(out))
}

func valuesJSON(values []contract.Value) []valueJSON {
	out := make([]valueJSON, len(values))
	for i, v := range values {
		at := v.Origin.Position
		out[i] = valueJSON{v.Field, v.Value, v.Note, originJSON{v.Origin.Level, v.Origin.Medium, at.File, at.Line, at.Column}}
	}
	return out
}
