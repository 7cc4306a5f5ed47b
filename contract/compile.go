package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Sources is where the contract of a channel comes from.
type Sources struct {
	// House replaces house defaults, field by field. May be nil.
	House *surefootv1.Service
	// Services are the services that the channel is for.
	Services []protoreflect.ServiceDescriptor
	// Contracts are given in Go, for services whose .proto is not ours.
	Contracts []*surefootv1.Contract
}

// Compile returns the compiled contract of a channel for the services in s, or
// an [*Error] with every mistake in them.
func Compile(s Sources) (*Table, error) {
	var p problems
	t := &Table{
		contracts: make(map[protoreflect.FullName]*surefootv1.Contract),
		learnt:    make(map[protoreflect.FullName]bool),
	}

	t.house = newHouse(s.House, &p)
	t.unknown = *t.house.methods(policy.Unsafe)

	services := slices.Clone(s.Services)
	for _, c := range s.Contracts {
		name := protoreflect.FullName(c.GetServiceName())
		if !name.IsValid() {
			p.add(place{source: givenInGo}, "service_name",
				fmt.Sprintf("is %q: set the full name of the service, such as \"etcdserverpb.KV\"", c.GetServiceName()))
			continue
		}
		if t.contracts[name] != nil {
			p.add(place{source: givenInGo, service: string(name)}, "service_name",
				"is given twice: merge the two contracts into one")
			continue
		}
		t.contracts[name] = c
	}
	described := make(map[protoreflect.FullName]bool)
	for _, sd := range services {
		described[sd.FullName()] = true
	}
	var undescribed []protoreflect.FullName
	for _, name := range slices.Sorted(maps.Keys(t.contracts)) {
		if described[name] {
			continue
		}
		if d, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err == nil {
			if sd, ok := d.(protoreflect.ServiceDescriptor); ok {
				services = append(services, sd)
				continue
			}
		}
		undescribed = append(undescribed, name)
	}

	methods := make(map[string]*Methods)
	merge := newChannelMerge(t.house.channel)
	for _, sd := range services {
		if t.learnt[sd.FullName()] {
			continue
		}
		t.learnt[sd.FullName()] = true
		at, opts := t.compileService(sd, methods, &p)
		merge.add(at, opts, &p)
	}
	for _, name := range undescribed {
		at, opts := t.compileUndescribed(t.contracts[name], methods, &p)
		merge.add(at, opts, &p)
	}
	t.Channel = merge.result(&p)
	if err := p.err(); err != nil {
		return nil, err
	}
	t.methods.Store(&methods)
	return t, nil
}

// givenInGo is the source of a contract that is not in a .proto.
const givenInGo = "contract given in Go"

// compileService adds the methods of sd to methods and returns the options of
// the service, those given in Go merged in, with where they come from.
func (t *Table) compileService(sd protoreflect.ServiceDescriptor, methods map[string]*Methods, p *problems) (place, *surefootv1.Service) {
	in := place{source: sourceOf(sd), service: string(sd.FullName())} // the .proto
	over := in                                                        // what is given in Go for it
	over.source = givenInGo + " over " + in.source
	opts, owned := serviceOptions(sd, in, p)
	at, given := in, t.contracts[sd.FullName()]
	if given != nil {
		p.given(over, given)
		for _, name := range slices.Sorted(maps.Keys(given.GetMethods())) {
			if sd.Methods().ByName(protoreflect.Name(name)) == nil {
				p.add(over, "methods", fmt.Sprintf("names %q, which the service does not have: use the bare name of one of its methods: %s", name, methodNames(sd)))
			}
		}
	}
	if given.GetService() != nil {
		overlay(opts, given.GetService())
		at = over
	}
	base := t.house.inherit(at, opts.GetDefaults(), p)
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		at := in.method(string(md.Name()))
		d := methodOptions(md, at, p)
		d.owned = d.owned || owned
		var level *surefootv1.IdempotencyLevel
		g := given.GetMethods()[string(md.Name())]
		if g != nil {
			at.source = over.source
			overlay(d.options, g.GetMethod())
			level = g.IdempotencyLevel
		}
		safety := d.safety(level, at, in.source, p)
		streaming := md.IsStreamingClient() || md.IsStreamingServer()
		if !streaming {
			p.futile(at, narrowed(d.options, g.GetMethod()), safety)
		}
		m := base.method(at, d.options, safety, streaming, p)
		methods[fullMethod(sd.FullName(), md.Name())] = &Methods{Unary: m, Stream: m}
	}
	return at, opts
}

// compileUndescribed compiles a contract for a service whose descriptor is not
// linked into the program, so that nobody knows which methods stream.
func (t *Table) compileUndescribed(c *surefootv1.Contract, methods map[string]*Methods, p *problems) (place, *surefootv1.Service) {
	at := place{source: givenInGo, service: c.GetServiceName()}
	p.given(at, c)
	base := t.house.inherit(at, c.GetService().GetDefaults(), p)
	for _, name := range slices.Sorted(maps.Keys(c.GetMethods())) {
		if !protoreflect.Name(name).IsValid() {
			p.add(at, "methods", fmt.Sprintf("names %q, which cannot be a method: use its bare name, such as \"Range\"", name))
			continue
		}
		at, mc := at.method(name), c.GetMethods()[name]
		safety := safetyOf(int32(mc.GetIdempotencyLevel()))
		p.futile(at, mc.GetMethod(), safety)
		methods[fullMethod(protoreflect.FullName(c.GetServiceName()), protoreflect.Name(name))] = &Methods{
			Unary: base.method(at, mc.GetMethod(), safety, false, p),
			// A mistake was reported for the unary form already.
			Stream: base.method(at, mc.GetMethod(), safety, true, &problems{}),
		}
	}
	return at, c.GetService()
}

// serviceOptions returns a copy of the options of sd, never nil, and whether sd
// has any.
func serviceOptions(sd protoreflect.ServiceDescriptor, at place, p *problems) (out *surefootv1.Service, has bool) {
	opts := reparse(sd.Options(), &descriptorpb.ServiceOptions{}, at, p)
	out = &surefootv1.Service{}
	proto.Merge(out, extension(opts, surefootv1.E_Service))
	p.unusable(at, "", out)
	return out, proto.HasExtension(opts, surefootv1.E_Service)
}

// methodOptions returns what the .proto says of md itself.
func methodOptions(md protoreflect.MethodDescriptor, at place, p *problems) declared {
	opts := reparse(md.Options(), &descriptorpb.MethodOptions{}, at, p)
	out := &surefootv1.Method{}
	proto.Merge(out, extension(opts, surefootv1.E_Method))
	p.unusable(at, "", out)
	return declared{options: out, level: opts.IdempotencyLevel, owned: proto.HasExtension(opts, surefootv1.E_Method)}
}

// reparse reads options again with the generated types. A descriptor that was
// not generated into this program may hold them as dynamic messages or as
// unknown fields.
func reparse[M proto.Message](from proto.Message, into M, at place, p *problems) M {
	b, err := proto.Marshal(from)
	if err == nil {
		err = proto.Unmarshal(b, into)
	}
	if err != nil {
		p.add(at, "options", "are not what surefoot/v1/options.proto declares: generate the code of the .proto again")
		proto.Reset(into)
	}
	return into
}

// extension returns the extension xt of opts, which has messages as values. It
// may be nil, of its type.
func extension(opts proto.Message, xt protoreflect.ExtensionType) proto.Message {
	m, _ := proto.GetExtension(opts, xt).(proto.Message) // always, by xt
	return m
}

func fullMethod(service protoreflect.FullName, method protoreflect.Name) string {
	return "/" + string(service) + "/" + string(method)
}

func sourceOf(sd protoreflect.ServiceDescriptor) string { return sd.ParentFile().Path() }

func methodNames(sd protoreflect.ServiceDescriptor) string {
	var names []string
	for i := range sd.Methods().Len() {
		names = append(names, string(sd.Methods().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

// overlay copies the fields that from sets into to, field by field. Lists and
// maps are replaced, not appended to.
func overlay(to, from proto.Message) {
	if !from.ProtoReflect().IsValid() {
		return
	}
	dst := to.ProtoReflect()
	from.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() != nil && !fd.IsList() && !fd.IsMap() && dst.Has(fd) {
			overlay(dst.Mutable(fd).Message().Interface(), v.Message().Interface())
			return true
		}
		dst.Set(fd, v)
		return true
	})
}
