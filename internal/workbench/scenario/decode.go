package scenario

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder reads YAML nodes into values and collects what is wrong with them.
// After an error it goes on with a zero value, so that one run finds all
// mistakes.
type decoder struct {
	file   string
	source []string // the lines of the file
	errors Errors
}

func (d *decoder) failf(at *token.Token, format string, args ...any) {
	e := Error{File: d.file, Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	if at != nil && at.Position != nil {
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	d.errors = append(d.errors, e)
}

// document parses the text and returns its single document.
func (d *decoder) document(text []byte) *ast.DocumentNode {
	// The parser expects valid UTF-8 lines; it reports the rest by itself.
	file, err := parser.ParseBytes(text, parser.ParseComments)
	if err != nil {
		if where, ok := errors.AsType[yaml.Error](err); ok {
			d.failf(where.GetToken(), "%s", where.GetMessage())
		} else {
			d.failf(nil, "not YAML: %v", err)
		}
		return nil
	}
	var found *ast.DocumentNode
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, only := doc.Body.(*ast.CommentGroupNode); only {
			continue
		}
		if found != nil {
			d.failf(start(doc.Body), "a second document: give each scenario a file of its own")
			return nil
		}
		found = doc
	}
	if found == nil {
		d.failf(nil, "the file is empty: a scenario needs fleet, load, arms and expect; copy one of the files in scenarios/")
	}
	return found
}

// field is one key of a mapping and the function that reads its value.
type field struct {
	name string
	read func(ast.Node)
	must bool
}

func must(name string, read func(ast.Node)) field { return field{name, read, true} }
func may(name string, read func(ast.Node)) field  { return field{name, read, false} }

// mapping reads a mapping with exactly the given fields. what names it in
// errors.
func (d *decoder) mapping(node ast.Node, what string, fields ...field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	var entries []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	default:
		d.failf(node.GetToken(), "%s must be a mapping with %s, not %s", what, strings.Join(names, ", "), describe(node))
		return
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		key := entry.Key.GetToken()
		if seen[key.Value] {
			d.failf(key, "%s has %q twice: keep one", what, key.Value)
			continue
		}
		seen[key.Value] = true
		i := slices.Index(names, key.Value)
		switch {
		case i < 0:
			d.failf(key, "%s has no field %q: %s", what, key.Value, OneOf(key.Value, names))
		case entry.Value == nil || entry.Value.Type() == ast.NullType:
			d.failf(key, "%s.%s has no value: give one or remove the line", what, key.Value)
		default:
			fields[i].read(entry.Value)
		}
	}
	for _, f := range fields {
		if f.must && !seen[f.name] {
			d.failf(start(node), "%s lacks the field %q: add it", what, f.name)
		}
	}
}

// list calls read for each element of a sequence.
func (d *decoder) list(node ast.Node, what string, read func(ast.Node)) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.failf(node.GetToken(), "%s must be a list, not %s: start each element with a dash", what, describe(node))
		return
	}
	for _, element := range seq.Values {
		if element == nil || element.Type() == ast.NullType {
			d.failf(seq.GetToken(), "%s has an empty element: remove it", what)
			continue
		}
		read(element)
	}
}

// text reads a string that is not empty.
func (d *decoder) text(into *string, what string) func(ast.Node) {
	return func(node ast.Node) {
		var got string
		switch n := node.(type) {
		case *ast.StringNode:
			got = n.Value
		case *ast.LiteralNode:
			if strings.HasPrefix(n.Start.Value, ">") && n.Value != nil && n.Value.Value == "" {
				d.failf(n.Start, "%s is read as a block of text because it starts with >: write it in quotes", what)
				return
			}
			got = n.Value.Value
		default:
			d.failf(node.GetToken(), "%s must be text, not %s: write it in quotes", what, describe(node))
			return
		}
		if *into = strings.TrimSpace(got); *into == "" {
			d.failf(node.GetToken(), "%s is empty: give it a text or remove the line", what)
		}
	}
}

// duration reads a time span with a unit that is within [least, most].
func (d *decoder) duration(into *time.Duration, what string, least, most time.Duration) func(ast.Node) {
	return func(node ast.Node) {
		at := node.GetToken()
		s, ok := node.(*ast.StringNode)
		if !ok {
			if _, number := node.(ast.ScalarNode); number {
				d.failf(at, "%s is %s without a unit: write 250ms, 2s or 1m30s", what, at.Value)
			} else {
				d.failf(at, "%s must be a duration such as 250ms or 2s, not %s", what, describe(node))
			}
			return
		}
		got, err := time.ParseDuration(s.Value)
		switch {
		case err != nil:
			d.failf(at, "%s is %q, which is no duration: write 250ms, 2s or 1m30s", what, s.Value)
		case got < least || got > most:
			d.failf(at, "%s is %v, outside of %v to %v: choose a value within", what, got, least, most)
		default:
			*into = got
		}
	}
}

// whole reads an integer within [least, most].
func (d *decoder) whole(node ast.Node, what string, least, most int) (int, bool) {
	n, ok := node.(*ast.IntegerNode)
	if !ok {
		d.failf(node.GetToken(), "%s must be a whole number, not %s", what, describe(node))
		return 0, false
	}
	got, err := strconv.Atoi(n.Token.Value)
	if err != nil || got < least || got > most {
		d.failf(n.Token, "%s is %s, outside of %d to %d: choose a value within", what, n.Token.Value, least, most)
		return 0, false
	}
	return got, true
}

func (d *decoder) count(into *int, what string, least, most int) func(ast.Node) {
	return func(node ast.Node) {
		if got, ok := d.whole(node, what, least, most); ok {
			*into = got
		}
	}
}

// number reads a number, with or without a fraction, within (0, most].
func (d *decoder) number(into *float64, what string, most float64) func(ast.Node) {
	return func(node ast.Node) {
		at := node.GetToken()
		switch node.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
		default:
			d.failf(at, "%s must be a number, not %s", what, describe(node))
			return
		}
		got, err := strconv.ParseFloat(at.Value, 64)
		if err != nil || math.IsNaN(got) || got <= 0 || got > most {
			d.failf(at, "%s is %s: choose a value above 0 and up to %v", what, at.Value, most)
			return
		}
		*into = got
	}
}

// truth reads true or false.
func (d *decoder) truth(into *bool, what string) func(ast.Node) {
	return func(node ast.Node) {
		if b, ok := node.(*ast.BoolNode); ok {
			*into = b.Value
			return
		}
		d.failf(node.GetToken(), "%s must be true or false, not %s", what, describe(node))
	}
}

// choice reads one of the names.
func choice[S ~string](d *decoder, into *S, what string, names []S) func(ast.Node) {
	return func(node ast.Node) {
		var got string
		before := len(d.errors)
		if d.text(&got, what)(node); len(d.errors) > before {
			return
		}
		if !slices.Contains(names, S(got)) {
			d.failf(node.GetToken(), "%s is %q, which is unknown: %s", what, got, OneOf(got, names))
			return
		}
		*into = S(got)
	}
}

// start is where a node begins; the token of a mapping is its first colon.
func start(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	}
	return node.GetToken()
}

// describe says what a node is, for a person.
func describe(node ast.Node) string {
	switch node.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType, ast.DirectiveType:
		return "an anchor, alias or tag (write the value out)"
	case ast.LiteralType:
		return "a block of text"
	default:
		return strconv.Quote(node.GetToken().Value)
	}
}
