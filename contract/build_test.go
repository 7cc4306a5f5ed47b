package contract_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// What contracts are written in, short enough for tables.
type (
	svc     = surefootv1.Service
	mth     = surefootv1.Method
	retry   = surefootv1.Retry
	backoff = surefootv1.Backoff
	stream  = surefootv1.Stream
	resume  = surefootv1.Resume
	budget  = surefootv1.RetryBudget
	conn    = surefootv1.Connection
	given   = surefootv1.Contract
	givenM  = surefootv1.MethodContract
	profile = surefootv1.Profile
	hedge   = surefootv1.Hedge
	observe = surefootv1.Observed
)

var (
	i64 = proto.Int64
	i32 = proto.Int32
)

const (
	unknownLevel = descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
	idempotent   = descriptorpb.MethodOptions_IDEMPOTENT
	readOnly     = descriptorpb.MethodOptions_NO_SIDE_EFFECTS
)

// A spec is a .proto with one service.
type spec struct {
	name    string // bare; the package is shop.v1, the file shop/<name>.proto
	options *svc
	raw     []byte // in place of options
	methods []rpc
}

type rpc struct {
	name    string
	options *mth
	raw     []byte // in place of options
	level   descriptorpb.MethodOptions_IdempotencyLevel
	// What the method streams.
	requests, replies bool
}

// file returns the descriptor of s as protoc makes it, its options as the
// types that are generated into this program.
func (s spec) file() *descriptorpb.FileDescriptorProto {
	sd := &descriptorpb.ServiceDescriptorProto{Name: &s.name, Options: &descriptorpb.ServiceOptions{}}
	if s.options != nil {
		proto.SetExtension(sd.Options, surefootv1.E_Service, s.options)
	}
	setRaw(sd.Options, s.raw)
	for _, r := range s.methods {
		options := &descriptorpb.MethodOptions{}
		if r.level != unknownLevel {
			options.IdempotencyLevel = r.level.Enum()
		}
		if r.options != nil {
			proto.SetExtension(options, surefootv1.E_Method, r.options)
		}
		setRaw(options, r.raw)
		sd.Method = append(sd.Method, &descriptorpb.MethodDescriptorProto{
			Name:            new(r.name),
			InputType:       new(".shop.v1." + s.name + "Message"),
			OutputType:      new(".shop.v1." + s.name + "Message"),
			Options:         options,
			ClientStreaming: new(r.requests),
			ServerStreaming: new(r.replies),
		})
	}
	return &descriptorpb.FileDescriptorProto{
		Name:    new("shop/" + s.name + ".proto"),
		Package: new("shop.v1"),
		Syntax:  new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new(s.name + "Message"), Field: []*descriptorpb.FieldDescriptorProto{
			field("revision", 1, descriptorpb.FieldDescriptorProto_TYPE_INT64, ""),
			field("token", 2, descriptorpb.FieldDescriptorProto_TYPE_STRING, ""),
			repeated(field("tags", 3, descriptorpb.FieldDescriptorProto_TYPE_STRING, "")),
			field("on", 4, descriptorpb.FieldDescriptorProto_TYPE_BOOL, ""),
			field("self", 5, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".shop.v1."+s.name+"Message"),
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{sd},
	}
}

func field(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, message string) *descriptorpb.FieldDescriptorProto {
	fd := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	if message != "" {
		fd.TypeName = &message
	}
	return fd
}

func repeated(fd *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
	fd.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	return fd
}

// setRaw sets the extension to these bytes, whatever they mean.
func setRaw(options proto.Message, raw []byte) {
	if raw == nil {
		return
	}
	b := protowire.AppendTag(nil, surefootv1.E_Service.TypeDescriptor().Number(), protowire.BytesType)
	options.ProtoReflect().SetUnknown(protowire.AppendBytes(b, raw))
}

// build returns the services of specs.
func build(t testing.TB, specs ...spec) []protoreflect.ServiceDescriptor {
	t.Helper()
	services := make([]protoreflect.ServiceDescriptor, 0, len(specs))
	for _, s := range specs {
		services = append(services, link(t, s.file()))
	}
	return services
}

func link(t testing.TB, f *descriptorpb.FileDescriptorProto) protoreflect.ServiceDescriptor {
	t.Helper()
	fd, err := protodesc.NewFile(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fd.Services().Get(0)
}

// reread returns f as a program has it that knows the extensions only from
// types.
func reread(t *testing.T, f *descriptorpb.FileDescriptorProto, types *protoregistry.Types) *descriptorpb.FileDescriptorProto {
	t.Helper()
	b, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	out := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// dynamicTypes knows the extensions as dynamic messages.
func dynamicTypes(t *testing.T) *protoregistry.Types {
	t.Helper()
	types := new(protoregistry.Types)
	for _, x := range []protoreflect.ExtensionType{surefootv1.E_Service, surefootv1.E_Method} {
		if err := types.RegisterExtension(dynamicpb.NewExtensionType(x.TypeDescriptor())); err != nil {
			t.Fatal(err)
		}
	}
	return types
}

// withUnknown returns m with a field of this number that nobody knows.
func withUnknown[M proto.Message](m M, number protowire.Number) M {
	b := protowire.AppendTag(m.ProtoReflect().GetUnknown(), number, protowire.VarintType)
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(b, 1))
	return m
}

func compile(t testing.TB, s contract.Sources) *contract.Table {
	t.Helper()
	table, err := contract.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func lookup(t testing.TB, table *contract.Table, method string) *contract.Methods {
	t.Helper()
	m, err := table.Lookup(method)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
