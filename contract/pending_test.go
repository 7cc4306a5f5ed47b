package contract_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
)

// A field that is not obeyed is told, wherever it stands.
func TestFieldsThatAreNotImplementedAreTold(t *testing.T) {
	for name := range contract.Pending {
		var set spec
		set.name, set.methods = "Shop", []rpc{{name: "Get"}}
		message, field := name.Parent(), name.Name()
		var m protoreflect.Message
		switch message.Name() {
		case "Service":
			set.options = &svc{}
			m = set.options.ProtoReflect()
		case "Method":
			set.methods[0].options = &mth{}
			m = set.methods[0].options.ProtoReflect()
		case "Retry":
			set.methods[0].options = &mth{Retry: &retry{}}
			m = set.methods[0].options.GetRetry().ProtoReflect()
		default:
			t.Fatalf("%s: this test does not know %s", name, message)
		}
		fd := m.Descriptor().Fields().ByName(field)
		switch {
		case fd == nil:
			t.Fatalf("%s is not in the language", name)
		case fd.IsMap():
			m.Mutable(fd).Map().Set(protoreflect.ValueOfString("x").MapKey(), m.Mutable(fd).Map().NewValue())
		case fd.Message() != nil:
			m.Mutable(fd)
		case fd.Kind() == protoreflect.BoolKind:
			m.Set(fd, protoreflect.ValueOfBool(true))
		default:
			m.Set(fd, protoreflect.ValueOfInt64(7))
		}
		_, err := contract.Compile(contract.Sources{Services: build(t, set)})
		e, ok := errors.AsType[*contract.Error](err)
		if !ok || len(e.Problems) != 1 || !strings.HasSuffix(e.Problems[0].Field, string(field)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
