package yaml

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/surefoot-rpc/surefoot/contract"
)

// Contracts nest less than ten deep. The parser recurses, so that a file of
// brackets or dashes is refused before; its time grows with the square of the
// keys of one mapping.
const (
	maxDepth  = 32
	maxIndent = 128
	maxKeys   = 10_000
)

// failf notes a mistake. After one the decoder goes on, so that it finds all.
func (d *decoder) failf(at *token.Token, format string, args ...any) {
	d.errors = append(d.errors, Error{d.position(at), fmt.Sprintf(format, args...)})
}

func (d *decoder) position(at *token.Token) contract.Position {
	pos := contract.Position{File: d.file.Name, Line: 1, Column: 1}
	if at != nil && at.Position != nil {
		pos.Line, pos.Column = max(at.Position.Line, 1), max(at.Position.Column, 1)
	}
	return pos
}

// document parses text and returns what its only document holds; nil if there
// is none to be read.
func (d *decoder) document(text []byte) ast.Node {
	switch {
	case len(text) > MaxSize:
		d.failf(nil, "the file has more than %d bytes: split it", MaxSize)
		return nil
	case !utf8.Valid(text):
		d.failf(nil, "the file is not UTF-8: save it as such")
		return nil
	}
	tokens := lexer.Tokenize(string(text))
	if !d.readable(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // which are ours to report, all of them
	if err != nil {
		if where, ok := errors.AsType[yaml.Error](err); ok {
			d.failf(where.GetToken(), "%s", where.GetMessage())
		} else {
			d.failf(nil, "not YAML: %v", err)
		}
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType:
		case body != nil:
			d.failf(start(doc.Body), "a second document: put its %s into the list of the first", d.key)
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		d.failf(nil, "the file is empty: write %s: and below it %s", d.key, d.holds)
	}
	return body
}

// readable refuses what a contract does not need and a parser may suffer from.
func (d *decoder) readable(tokens token.Tokens) bool {
	depth, keys := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.MappingKeyType, token.DirectiveType:
			d.failf(t, "anchors, aliases, merges, tags, directives and complex keys are not read: write the value out")
			return false
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			if t.Position.Column > maxIndent {
				depth = maxDepth + 1
			}
		case token.MappingValueType:
			if keys++; keys > maxKeys {
				d.failf(t, "the file has more than %d keys: split it", maxKeys)
				return false
			}
			if t.Position.IndentNum > maxIndent {
				depth = maxDepth + 1
			}
		default:
		}
		if depth > maxDepth {
			d.failf(t, "nested too deep: no contract is")
			return false
		}
	}
	return true
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
	case ast.LiteralType:
		return "a block of text"
	case ast.NullType:
		return "nothing"
	case ast.StringType:
		return "the text " + strconv.Quote(shorten(node.GetToken().Value))
	default:
		return shorten(node.GetToken().Value)
	}
}

// shorten keeps messages to a line.
func shorten(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}
