package contract

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Problem is one mistake in a contract.
type Problem struct {
	// Source is the .proto file, or how else the contract was given.
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
	pr := Problem{Source: at.source, Service: at.service, Method: at.name, Field: field, Text: text}
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

// unknown reports the fields of m, and of the messages in it, that this
// version does not know. What was written and is not obeyed must not pass in
// silence.
func (p *problems) unknown(at place, prefix string, m proto.Message) {
	r := m.ProtoReflect()
	for b := r.GetUnknown(); len(b) > 0; {
		num, _, n := protowire.ConsumeField(b)
		if n < 0 {
			break
		}
		p.add(at, fmt.Sprintf("%sfield %d", prefix, num), fmt.Sprintf(
			"of %s is not implemented by this version: update surefoot, or remove the field", r.Descriptor().FullName()))
		b = b[n:]
	}
	r.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		path := prefix + string(fd.Name()) + "."
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
					p.unknown(at, path+k.String()+".", v.Message().Interface())
					return true
				})
			}
		case fd.Message() != nil && !fd.IsList():
			p.unknown(at, path, v.Message().Interface())
		}
		return true
	})
}
