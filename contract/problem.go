package contract

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A Problem is one mistake in a contract.
type Problem struct {
	// Source is the file, with line and column if they are known, or how else
	// the contract was given.
	Source string
	// Service is the full name of the service, Method the bare name of the
	// method, "" if the mistake is not in a method.
	Service, Method string
	// Field is the name of the field, with dots.
	Field string
	// Text completes the sentence that Field begins, with how to fix it.
	Text string
}

// String returns the problem in one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Source)
	if p.Service != "" {
		b.WriteString(": " + p.Service)
	}
	if p.Method != "" {
		b.WriteString("/" + p.Method)
	}
	return b.String() + ": " + p.Field + " " + p.Text
}

// An Error is everything that is wrong with the contracts of one channel.
type Error struct {
	Problems []Problem
}

// Error returns one line for each problem.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "contract: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "contract: %d problems:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// A place is where in which contract a mistake was made.
type place struct {
	source, service, name string
	// where says more exactly than source where a field is. May be nil.
	where func(method, field string) string
}

// of returns where the field of the method is.
func (at place) of(method, field string) string {
	if at.where == nil {
		return at.source
	}
	return at.where(method, field)
}

// at returns the place of one field.
func (at place) at(field string) place {
	at.source, at.where = at.of(at.name, field), nil
	return at
}

func (at place) method(name string) place {
	at.name = name
	return at
}

type problems struct {
	list []Problem
	seen map[Problem]bool
}

func (p *problems) add(at place, field, text string) {
	pr := Problem{Source: at.of(at.name, field), Service: at.service, Method: at.name, Field: field, Text: text}
	if p.seen[pr] {
		return
	}
	if p.seen == nil {
		p.seen = make(map[Problem]bool)
	}
	p.seen[pr] = true
	p.list = append(p.list, pr)
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	return &Error{Problems: p.list}
}

// given reports what is unusable in a contract given in Go, or in a file, each
// where it is.
func (p *problems) given(at place, c *surefootv1.Contract) {
	p.unknown(at, "", c.ProtoReflect())
	if s := c.GetService(); s != nil {
		p.unusable(at, "", s)
	}
	for _, name := range slices.Sorted(maps.Keys(c.GetMethods())) {
		at, m := at.method(name), c.GetMethods()[name]
		p.unknown(at, "", m.ProtoReflect())
		if mo := m.GetMethod(); mo != nil {
			p.unusable(at, "", mo)
		}
		if _, known := surefootv1.IdempotencyLevel_name[int32(m.GetIdempotencyLevel())]; !known {
			p.add(at, "idempotency_level", fmt.Sprintf("is %d, which this version does not know: "+
				"use IDEMPOTENT or NO_SIDE_EFFECTS, or remove it", m.GetIdempotencyLevel()))
		}
	}
}

// unusable reports the fields of m, and of the messages in it, that this
// version does not know, and the times that cannot be meant. What was written
// and is not obeyed must not pass in silence.
func (p *problems) unusable(at place, prefix string, m proto.Message) {
	r := m.ProtoReflect()
	p.unknown(at, prefix, r)
	for fd, v := range set(r) {
		field := prefix + string(fd.Name())
		switch {
		case pending[fd.FullName()]:
			p.add(at, field, "is not implemented by this version: update surefoot, or remove it")
		case fd.IsMap(): // those of the language have messages as values
			for _, key := range slices.Sorted(keys(v.Map())) {
				p.unusable(at, field+"."+key+".", v.Map().Get(protoreflect.ValueOfString(key).MapKey()).Message().Interface())
			}
		case fd.Message() != nil:
			p.unusable(at, field+".", v.Message().Interface())
		case fd.Kind() == protoreflect.Int64Kind && !fd.IsList():
			if text := mistaken(fd, v.Int()); text != "" {
				p.add(at, field, text)
			}
		}
	}
}

// keys returns those of m, which are texts.
func keys(m protoreflect.Map) iter.Seq[string] {
	return func(yield func(string) bool) {
		m.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool { return yield(key.String()) })
	}
}

// set returns the fields that r sets, in the order of their declaration, so
// that the same mistakes always make the same message.
func set(r protoreflect.Message) iter.Seq2[protoreflect.FieldDescriptor, protoreflect.Value] {
	return func(yield func(protoreflect.FieldDescriptor, protoreflect.Value) bool) {
		fields := r.Descriptor().Fields()
		for i := range fields.Len() {
			if fd := fields.Get(i); r.Has(fd) && !yield(fd, r.Get(fd)) {
				return
			}
		}
	}
}

// unknown reports the fields of m itself that this version does not know.
func (p *problems) unknown(at place, prefix string, r protoreflect.Message) {
	for b := r.GetUnknown(); len(b) > 0; {
		num, _, n := protowire.ConsumeField(b)
		if n < 0 {
			break
		}
		p.add(at, fmt.Sprintf("%sfield %d", prefix, num), fmt.Sprintf(
			"of %s is not implemented by this version: update surefoot, or remove the field", r.Descriptor().FullName()))
		b = b[n:]
	}
}
