package channel

import (
	"testing"

	"google.golang.org/protobuf/types/descriptorpb"
)

func TestAKeyIsAFieldThatIsNotEmpty(t *testing.T) {
	m := &descriptorpb.MethodDescriptorProto{
		Name:      new("put"),
		InputType: new(""),
		Options: &descriptorpb.MethodOptions{
			Deprecated: new(true),
			UninterpretedOption: []*descriptorpb.UninterpretedOption{{
				StringValue: []byte("x"),
			}},
		},
	}
	for path, want := range map[string]bool{
		"name":                         true,
		"input_type":                   false, // set, and empty
		"output_type":                  false,
		"options":                      false,
		"options.deprecated":           false, // no text
		"options.features.name":        false,
		"options.uninterpreted_option": false,
		"name.x":                       false,
		"nobody":                       false,
		"":                             false,
	} {
		if got := hasField(m.ProtoReflect(), path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
	option := &descriptorpb.UninterpretedOption{}
	if hasField(option.ProtoReflect(), "string_value") {
		t.Error("no bytes are a key")
	}
	if option.StringValue = []byte{}; hasField(option.ProtoReflect(), "string_value") {
		t.Error("bytes that are set, and empty, are a key")
	}
	if option.StringValue = []byte("x"); !hasField(option.ProtoReflect(), "string_value") {
		t.Error("bytes are no key")
	}
	file := &descriptorpb.FileDescriptorProto{Options: &descriptorpb.FileOptions{GoPackage: new("x")}}
	if !hasField(file.ProtoReflect(), "options.go_package") {
		t.Error("a field of a field is no key")
	}
}
