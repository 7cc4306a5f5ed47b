package yaml

import (
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/nearest"
)

const overridesKey = "overrides" // the only key of a file of them

// Overrides returns the file at path as a source of overrides, for
// surefoot.WithOverrides. It reads nothing yet.
func Overrides(path string) contract.OverrideSource {
	return contract.OverrideSource{Path: path, Parse: ParseOverrides, MaxSize: MaxSize}
}

// ParseOverrides returns the overrides in text, which messages call name, or
// [Errors].
func ParseOverrides(name string, text []byte) (*contract.Overrides, error) {
	d := newDecoder(name, overridesKey, "one element for each override, or [] for none")
	out := &contract.Overrides{Name: name, Positions: make(map[contract.OverrideField]contract.Position)}
	for i, node := range d.list(text) {
		out.List = append(out.List, d.override(node, i))
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	for at, pos := range d.file.Positions {
		i, _ := strconv.Atoi(at.Service) // as override wrote it
		out.Positions[contract.OverrideField{Index: i, Path: at.Path}] = pos
	}
	return out, nil
}

// override reads the i-th element of the list.
func (d *decoder) override(node ast.Node, i int) *surefootv1.Override {
	const what = "an override"
	o := &surefootv1.Override{}
	fields := o.ProtoReflect().Descriptor().Fields()
	at := contract.Field{Service: strconv.Itoa(i)} // there is no service: its place takes the index
	d.file.Positions[at] = d.position(start(node))
	for _, e := range d.entries(node, what, names(fields)) {
		below := at
		below.Path = e.key.Value
		d.file.Positions[below] = d.position(e.key)
		switch e.key.Value {
		case "methods":
			if v, ok := d.scalar(e.value, fields.ByName("methods"), e.key.Value); ok {
				o.Methods = new(v.String())
			}
		case "set":
			o.Set = &surefootv1.Method{}
			d.message(e.value, o.GetSet().ProtoReflect(), below)
		default:
			d.unknown(e.key, what, names(fields))
		}
	}
	return o
}

// list returns the elements of the only thing that a file holds.
func (d *decoder) list(text []byte) []ast.Node {
	body := d.document(text)
	if body == nil {
		return nil
	}
	var elements []ast.Node
	for _, e := range d.entries(body, "the file", []string{d.key}) {
		if e.key.Value != d.key {
			d.failf(e.key, "the file has no field %q: %s", shorten(e.key.Value), nearest.Hint(e.key.Value, []string{d.key}))
			continue
		}
		elements = append(elements, d.elements(e.value, d.key)...)
	}
	return elements
}
