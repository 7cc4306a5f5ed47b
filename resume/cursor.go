package resume

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/fieldpath"
	"github.com/surefoot-rpc/surefoot/internal/series"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A position is where in a stream a message is. The zero position is of a
// message that does not say.
type position struct {
	set    bool
	number bool   // has an order; a text has none
	rank   uint64 // of a number
	text   string
	cursor any // as the caller knows it
}

// same reports whether p and q are one position.
func (p position) same(q position) bool {
	return p.set == q.set && p.number == q.number && p.rank == q.rank && p.text == q.text
}

// behind reports whether p is known to come before q.
func (p position) behind(q position) bool {
	return p.set && q.set && p.number && q.number && p.rank < q.rank
}

// A cursor knows where messages are, and how to ask for those after one.
type cursor[Req, Msg any] struct {
	at    func(Msg) position
	after func(Req, position) Req
}

// ofContract returns the cursor that the contract names for messages of these
// types.
func ofContract[Req, Msg proto.Message](s *series.Series) (cursor[Req, Msg], error) {
	var req Req
	var msg Msg
	in, out := req.ProtoReflect().Descriptor(), msg.ProtoReflect().Descriptor()
	named, err := named(s, in, out)
	if err != nil {
		return cursor[Req, Msg]{}, err
	}
	from, err := fieldpath.Of(in, named.RequestField)
	if err != nil {
		return cursor[Req, Msg]{}, fmt.Errorf("stream.resume.request_field is %q: %w", named.RequestField, err)
	}
	to, err := fieldpath.Of(out, named.ResponseField)
	if err != nil {
		return cursor[Req, Msg]{}, fmt.Errorf("stream.resume.response_field is %q: %w", named.ResponseField, err)
	}
	kind := to.Last().Kind()
	if from.Last().Kind() != kind || !known(kind) {
		return cursor[Req, Msg]{}, fmt.Errorf("stream.resume names %q of type %v and %q of type %v: name two integers, strings or bytes of one type",
			named.RequestField, from.Last().Kind(), named.ResponseField, kind)
	}
	return cursor[Req, Msg]{
		at: func(m Msg) position {
			v, set := to.Get(m.ProtoReflect())
			if !set {
				return position{}
			}
			return positionOf(kind, v)
		},
		after: func(r Req, p position) Req {
			next := proto.CloneOf(r)
			v, _ := p.cursor.(protoreflect.Value) // which positionOf made it
			from.Set(next.ProtoReflect(), add(kind, v, named.Step))
			return next
		},
	}, nil
}

// named returns what the contract names: as the client has it, or, with another
// client than Surefoot's, as the .proto does.
func named(s *series.Series, in, out protoreflect.MessageDescriptor) (policy.Resume, error) {
	if p, ok := s.Policy(); ok {
		if p.Stream.Resume == (policy.Resume{}) {
			return policy.Resume{}, errors.New("the contract of the method names no cursor: set stream.resume, or use MessagesBy")
		}
		return p.Stream.Resume, nil
	}
	found := linked()[[2]protoreflect.FullName{in.FullName(), out.FullName()}]
	switch len(found) {
	case 0:
		return policy.Resume{}, fmt.Errorf("no method that streams %s for a %s names a cursor in its .proto: set stream.resume there, or use MessagesBy", out.FullName(), in.FullName())
	case 1:
		return found[0], nil
	default:
		return policy.Resume{}, fmt.Errorf("several methods stream %s for a %s: use a client of Surefoot's, or MessagesBy", out.FullName(), in.FullName())
	}
}

// linked are the cursors of all methods that are linked into the program, by
// what they take and stream.
var linked = sync.OnceValue(func() map[[2]protoreflect.FullName][]policy.Resume {
	all := make(map[[2]protoreflect.FullName][]policy.Resume)
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				md := methods.Get(j)
				m, _ := proto.GetExtension(md.Options(), surefootv1.E_Method).(*surefootv1.Method)
				r := m.GetStream().GetResume()
				if r == nil || !md.IsStreamingServer() || md.IsStreamingClient() {
					continue
				}
				key := [2]protoreflect.FullName{md.Input().FullName(), md.Output().FullName()}
				all[key] = append(all[key], policy.Resume{RequestField: r.GetRequestField(), ResponseField: r.GetResponseField(), Step: r.GetStep()})
			}
		}
		return true
	})
	return all
})

func known(k protoreflect.Kind) bool {
	return k == protoreflect.StringKind || k == protoreflect.BytesKind || signed(k) || unsigned(k)
}

func signed(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return true
	default:
		return false
	}
}

func unsigned(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	default:
		return false
	}
}

// ranked orders signed numbers as unsigned ones.
func ranked(i int64) uint64 { return uint64(i) ^ 1<<63 }

func positionOf(k protoreflect.Kind, v protoreflect.Value) position {
	p := position{set: true, cursor: v}
	switch {
	case signed(k):
		p.number, p.rank = true, ranked(v.Int())
	case unsigned(k):
		p.number, p.rank = true, v.Uint()
	case k == protoreflect.BytesKind:
		p.text = string(v.Bytes())
		p.cursor = protoreflect.ValueOfBytes([]byte(p.text)) // the message is the caller's
	default:
		p.text = v.String()
	}
	return p
}

// add returns v, of this kind, and step more, but not above what the kind can
// hold.
func add(k protoreflect.Kind, v protoreflect.Value, step int64) protoreflect.Value {
	switch k {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(min(v.Int()+min(step, math.MaxInt32), math.MaxInt32)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if i := v.Int(); i > math.MaxInt64-step {
			return protoreflect.ValueOfInt64(math.MaxInt64)
		}
		return protoreflect.ValueOfInt64(v.Int() + step)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(min(v.Uint()+uint64(min(step, math.MaxUint32)), math.MaxUint32)))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if u := v.Uint(); u > math.MaxUint64-uint64(step) {
			return protoreflect.ValueOfUint64(math.MaxUint64)
		}
		return protoreflect.ValueOfUint64(v.Uint() + uint64(step))
	default:
		return v
	}
}
