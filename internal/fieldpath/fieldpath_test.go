package fieldpath_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/surefoot-rpc/surefoot/internal/fieldpath"
)

// The messages of descriptor.proto have every kind of field.
var method = (&descriptorpb.MethodDescriptorProto{}).ProtoReflect().Descriptor()

func TestAPathLeadsToItsField(t *testing.T) {
	p, err := fieldpath.Of(method, "options.features.field_presence")
	if err != nil || p.Last().Name() != "field_presence" {
		t.Fatalf("%v, %v", p, err)
	}
	m := &descriptorpb.MethodDescriptorProto{}
	if v, set := p.Get(m.ProtoReflect()); set || v.Enum() != 0 {
		t.Errorf("in an empty message: %v, set %v", v, set)
	}
	p.Set(m.ProtoReflect(), protoreflect.ValueOfEnum(2))
	if v, set := p.Get(m.ProtoReflect()); !set || v.Enum() != 2 || m.GetOptions().GetFeatures().GetFieldPresence() != 2 {
		t.Errorf("after Set: %v, set %v, in %v", v, set, m)
	}
	other := &descriptorpb.MethodDescriptorProto{Options: &descriptorpb.MethodOptions{}, Name: new("x")}
	if _, set := p.Get(other.ProtoReflect()); set {
		t.Errorf("set in %v", other)
	}
}

func TestAPathThatLeadsNowhereIsTold(t *testing.T) {
	for path, want := range map[string]string{
		"":                             "name a field",
		"nam":                          `has no field "nam": use one of name, input_type`,
		"options.":                     `MethodOptions has no field ""`,
		"name.first":                   "MethodDescriptorProto.name is no message",
		"options.uninterpreted_option": "MethodOptions.uninterpreted_option is repeated",
	} {
		if _, err := fieldpath.Of(method, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}
