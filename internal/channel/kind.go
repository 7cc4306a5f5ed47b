package channel

import (
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A kind is what it takes to make a reply like the caller's, without looking at
// that one again: an attempt may be writing it.
type kind struct {
	message protoreflect.MessageType // nil if the reply is no protobuf message
	pointee reflect.Type
}

// kindOf returns the kind of reply. A value that is no protobuf message has one
// if it is a pointer to a zero value, which is all that there is to know of it:
// what a codec of the user does with one that was prepared, nobody knows.
func kindOf(reply any) (k kind, ok bool) {
	if m, isMessage := reply.(proto.Message); isMessage {
		if r := m.ProtoReflect(); r.IsValid() {
			return kind{message: r.Type()}, true
		}
		return kind{}, false
	}
	v := reflect.ValueOf(reply)
	if v.Kind() != reflect.Pointer || v.IsNil() || !v.Elem().IsZero() {
		return kind{}, false
	}
	return kind{pointee: v.Type().Elem()}, true
}

// make returns a new reply.
func (k kind) make() any {
	if k.message != nil {
		return k.message.New().Interface()
	}
	return reflect.New(k.pointee).Interface()
}

// handOver makes reply what from is, which make made.
func (k kind) handOver(reply, from any) {
	if k.message != nil {
		to, _ := reply.(proto.Message) // always, by kindOf
		m, _ := from.(proto.Message)
		proto.Reset(to)
		proto.Merge(to, m)
		return
	}
	reflect.ValueOf(reply).Elem().Set(reflect.ValueOf(from).Elem())
}
