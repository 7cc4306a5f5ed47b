package yaml

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/nearest"
)

// A decoder reads YAML nodes into the messages of contracts, guided by their
// descriptors, and collects what is wrong and where everything stands.
type decoder struct {
	file   *contract.File
	key    string // the only one of the file
	holds  string // what is below it, for people
	errors Errors
}

func newDecoder(name, key, holds string) *decoder {
	return &decoder{
		file: &contract.File{Name: name, Positions: make(map[contract.Field]contract.Position)},
		key:  key, holds: holds,
	}
}

const (
	contractsKey = "contracts"    // the only key of a file of them
	serviceName  = "service_name" // the field of a contract that names it
)

// An entry is one key of a mapping with its value.
type entry struct {
	key   *token.Token
	value ast.Node
}

// contract reads one element of the list.
func (d *decoder) contract(node ast.Node) {
	const what = "a contract"
	fields := (&surefootv1.Contract{}).ProtoReflect().Descriptor().Fields()
	c := &surefootv1.Contract{}
	entries := d.entries(node, what, names(fields))
	if entries == nil {
		return
	}
	name := start(node)
	for _, e := range entries { // the name first: it is part of every position
		if e.key.Value == serviceName {
			if v, ok := d.scalar(e.value, fields.ByName(serviceName), e.key.Value); ok {
				c.ServiceName, name = v.String(), e.value.GetToken()
			}
		}
	}
	at := contract.Field{Service: c.GetServiceName()}
	switch {
	case !protoreflect.FullName(at.Service).IsValid():
		d.failf(name, "service_name is %q: set the full name of the service, such as etcdserverpb.KV", shorten(at.Service))
	case d.has(at.Service):
		d.failf(name, "service_name is %q a second time: merge the two contracts into one", at.Service)
	default:
		d.file.Contracts = append(d.file.Contracts, c)
		d.file.Positions[at] = d.position(start(node))
		at.Path = serviceName
		d.file.Positions[at] = d.position(name)
		at.Path = ""
	}
	for _, e := range entries {
		switch e.key.Value {
		case serviceName:
		case "service":
			c.Service = &surefootv1.Service{}
			d.file.Positions[at] = d.position(e.key)
			d.message(e.value, c.GetService().ProtoReflect(), at)
		case "methods":
			c.Methods = d.methods(e.value, at)
		default:
			d.unknown(e.key, what, names(fields))
		}
	}
}

func (d *decoder) has(service string) bool {
	_, has := d.file.Positions[contract.Field{Service: service}]
	return has
}

// methods reads the map of the methods of the service at.
func (d *decoder) methods(node ast.Node, at contract.Field) map[string]*surefootv1.MethodContract {
	methods := make(map[string]*surefootv1.MethodContract)
	for _, e := range d.entries(node, "methods", nil) {
		in := contract.Field{Service: at.Service, Method: e.key.Value}
		d.file.Positions[in] = d.position(e.key)
		d.file.Positions[contract.Field{Service: at.Service, Path: "methods." + e.key.Value}] = d.position(e.key)
		m := &surefootv1.MethodContract{}
		methods[e.key.Value] = m
		fields := m.ProtoReflect().Descriptor().Fields()
		what := "methods." + e.key.Value
		for _, e := range d.entries(e.value, what, names(fields)) {
			switch e.key.Value {
			case "method":
				m.Method = &surefootv1.Method{}
				d.message(e.value, m.GetMethod().ProtoReflect(), in)
			case "idempotency_level":
				if v, ok := d.scalar(e.value, fields.ByName("idempotency_level"), e.key.Value); ok {
					m.IdempotencyLevel = surefootv1.IdempotencyLevel(v.Enum()).Enum()
					level := in
					level.Path = "idempotency_level"
					d.file.Positions[level] = d.position(e.key)
				}
			default:
				d.unknown(e.key, what, names(fields))
			}
		}
	}
	return methods
}

// message reads the fields of m, which is at at.
func (d *decoder) message(node ast.Node, m protoreflect.Message, at contract.Field) {
	what := at.Path
	if what == "" {
		what = "service"
		if at.Method != "" {
			what = "method"
		}
	}
	fields := m.Descriptor().Fields()
	for _, e := range d.entries(node, what, names(fields)) {
		fd := fields.ByName(protoreflect.Name(e.key.Value))
		if fd == nil {
			d.unknown(e.key, what, names(fields))
			continue
		}
		below := at
		below.Path = strings.TrimPrefix(at.Path+"."+e.key.Value, ".")
		d.file.Positions[below] = d.position(e.key)
		if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
			if chosen := m.WhichOneof(od); chosen != nil {
				d.failf(e.key, "%s has %s and %s: choose one", what, chosen.Name(), fd.Name())
				continue
			}
			choice := at
			choice.Path = strings.TrimPrefix(at.Path+"."+string(od.Name()), ".")
			d.file.Positions[choice] = d.position(e.key)
		}
		switch {
		case fd.IsMap(): // of messages, by a name
			into := m.Mutable(fd).Map()
			for _, e := range d.entries(e.value, below.Path, nil) {
				at := below
				at.Path += "." + e.key.Value
				d.file.Positions[at] = d.position(e.key)
				d.message(e.value, into.Mutable(protoreflect.ValueOfString(e.key.Value).MapKey()).Message(), at)
			}
		case fd.IsList():
			list := m.Mutable(fd).List()
			for _, element := range d.elements(e.value, below.Path) {
				if v, ok := d.scalar(element, fd, "an element of "+below.Path); ok {
					list.Append(v)
				}
			}
		case fd.Message() != nil:
			d.message(e.value, m.Mutable(fd).Message(), below)
		default:
			if v, ok := d.scalar(e.value, fd, below.Path); ok {
				m.Set(fd, v)
			}
		}
	}
}

// entries returns what a mapping holds. known are its keys, if they are fixed.
func (d *decoder) entries(node ast.Node, what string, known []string) []entry {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		with := ""
		if known != nil {
			with = " with " + strings.Join(known, ", ")
		}
		d.failf(start(node), "%s must be a mapping%s, not %s", what, with, describe(node))
		return nil
	}
	entries := make([]entry, 0, len(values))
	seen := make(map[string]bool)
	for _, v := range values {
		key := v.Key.GetToken()
		switch {
		case v.Key.Type() != ast.StringType:
			d.failf(key, "%s has the key %s, which is no text: write a name", what, shorten(key.Value))
		case seen[key.Value]:
			d.failf(key, "%s has %q twice: keep one", what, shorten(key.Value))
		case v.Value == nil || v.Value.Type() == ast.NullType:
			d.failf(key, "%s has no value: give it one, {} for all defaults, or remove the line", shorten(key.Value))
		default:
			entries = append(entries, entry{key, v.Value})
		}
		seen[key.Value] = true
	}
	return entries
}

// elements returns those of a list.
func (d *decoder) elements(node ast.Node, what string) []ast.Node {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.failf(start(node), "%s must be a list, not %s: start each element with a dash", what, describe(node))
		return nil
	}
	var elements []ast.Node
	for _, e := range list.Values {
		if e == nil || e.Type() == ast.NullType {
			d.failf(list.GetToken(), "%s has an empty element: remove it", what)
			continue
		}
		elements = append(elements, e)
	}
	return elements
}

func (d *decoder) unknown(key *token.Token, what string, known []string) {
	d.failf(key, "%s has no field %q: %s", what, shorten(key.Value), nearest.Hint(key.Value, known))
}

// plain is a whole number as everybody reads it: 010 is eight to some.
var plain = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// scalar reads a value of the type of fd.
func (d *decoder) scalar(node ast.Node, fd protoreflect.FieldDescriptor, what string) (v protoreflect.Value, ok bool) {
	at := node.GetToken()
	switch kind := fd.Kind(); kind {
	case protoreflect.BoolKind:
		if b, ok := node.(*ast.BoolNode); ok {
			return protoreflect.ValueOfBool(b.Value), true
		}
		d.failf(start(node), "%s must be true or false, not %s", what, describe(node))
	case protoreflect.StringKind:
		if s, ok := node.(*ast.StringNode); ok {
			return protoreflect.ValueOfString(s.Value), true
		}
		d.failf(start(node), "%s must be text, not %s: write it in quotes", what, describe(node))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		s, isText := node.(*ast.StringNode)
		if !isText {
			d.failf(start(node), "%s must be a name, not %s: %s", what, describe(node), nearest.Hint("", enumNames(values)))
			return v, false
		}
		if value := values.ByName(protoreflect.Name(s.Value)); value != nil {
			return protoreflect.ValueOfEnum(value.Number()), true
		}
		d.failf(at, "%s is %q, which is unknown: %s", what, shorten(s.Value), nearest.Hint(s.Value, enumNames(values)))
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		if _, whole := node.(*ast.IntegerNode); !whole || !plain.MatchString(at.Value) {
			d.failf(start(node), "%s must be a whole number in decimal digits, not %s", what, describe(node))
			return v, false
		}
		bits := 64
		if kind == protoreflect.Int32Kind {
			bits = 32
		}
		n, err := strconv.ParseInt(at.Value, 10, bits)
		switch {
		case err != nil:
			d.failf(at, "%s is %s, outside of what a number of %d bits can be: at most %d", what, shorten(at.Value), bits, int64(math.MaxInt64)>>(64-bits))
		case bits == 32:
			return protoreflect.ValueOfInt32(int32(n)), true
		default:
			return protoreflect.ValueOfInt64(n), true
		}
	default:
		d.failf(at, "%s is of the kind %v, which this version does not read: update surefoot", what, kind)
	}
	return v, false
}

// names returns those of the fields, as in the .proto.
func names(fields protoreflect.FieldDescriptors) []string {
	out := make([]string, fields.Len())
	for i := range out {
		out[i] = string(fields.Get(i).Name())
	}
	return out
}

// enumNames returns those of the values that can be meant.
func enumNames(values protoreflect.EnumValueDescriptors) []string {
	var out []string
	for i := range values.Len() {
		if values.Get(i).Number() != 0 {
			out = append(out, string(values.Get(i).Name()))
		}
	}
	return out
}
