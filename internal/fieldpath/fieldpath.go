// Package fieldpath finds the field of a message that a contract names.
package fieldpath

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Path is the way from a message to one of its fields, of which all but the
// last are messages.
type Path []protoreflect.FieldDescriptor

// Of returns the way from md to the field with this name, or names with dots.
// No field on it is repeated.
func Of(md protoreflect.MessageDescriptor, path string) (Path, error) {
	if path == "" {
		return nil, errors.New("name a field")
	}
	var p Path
	for name := range strings.SplitSeq(path, ".") {
		if md == nil {
			return nil, fmt.Errorf("%s is no message, and has no fields", p.Last().FullName())
		}
		fd := md.Fields().ByName(protoreflect.Name(name))
		switch {
		case fd == nil:
			return nil, fmt.Errorf("%s has no field %q: use one of %s", md.FullName(), name, names(md))
		case fd.IsList() || fd.IsMap():
			return nil, fmt.Errorf("%s is repeated: name a field with one value", fd.FullName())
		}
		p, md = append(p, fd), fd.Message()
	}
	return p, nil
}

func names(md protoreflect.MessageDescriptor) string {
	var list []string
	for i := range md.Fields().Len() {
		list = append(list, string(md.Fields().Get(i).Name()))
	}
	if len(list) == 0 {
		return "none, it is empty"
	}
	return strings.Join(list, ", ")
}

// Last returns the field that p leads to.
func (p Path) Last() protoreflect.FieldDescriptor { return p[len(p)-1] }

// Get returns the field's value in m, and whether it is set: the messages on
// the way, and the field as [protoreflect.Message.Has] has it.
func (p Path) Get(m protoreflect.Message) (v protoreflect.Value, set bool) {
	for _, fd := range p[:len(p)-1] {
		if !m.Has(fd) {
			return p.Last().Default(), false
		}
		m = m.Get(fd).Message()
	}
	return m.Get(p.Last()), m.Has(p.Last())
}

// Set sets the field in m, and makes the messages on the way.
func (p Path) Set(m protoreflect.Message, v protoreflect.Value) {
	for _, fd := range p[:len(p)-1] {
		m = m.Mutable(fd).Message()
	}
	m.Set(p.Last(), v)
}
