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
	// Files hold contracts like Contracts, and know where each value stands.
	Files []*File
	// Profile is the one that the client chose, "" for none.
	Profile string
	// Overrides are an operator's. May be nil.
	Overrides *Overrides
}

// Compile returns the compiled contract of a channel for the services in s, or
// an [*Error] with every mistake in them.
func Compile(s Sources) (*Table, error) {
	var p problems
	t, _ := compile(s, 0, &p)
	if err := p.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// layers is a set of the layers that a contract consists of.
type layers uint16

// The layers, the weaker before the stronger.
const (
	houseGiven      layers = 1 << iota // house defaults given in Go
	protoService                       // what a .proto says of a service
	givenService                       // what is given in Go, or a file, for it
	protoMethod                        // what a .proto says of a method
	givenMethod                        // what is given in Go, or a file, for it
	givenLevel                         // the idempotency_level that is given for it
	houseProfile                       // what the profile of the house says
	profileDefaults                    // what a profile says of a service
	profileMethods                     // what a profile says of a method
)

// compile compiles s without what the layers in without say. The table is
// complete even if there are problems.
func compile(s Sources, without layers, p *problems) (*Table, []target) {
	t := &Table{
		contracts: make(map[protoreflect.FullName]outside),
		learnt:    make(map[protoreflect.FullName]bool),
		without:   without,
		profile:   s.Profile,
	}
	if without&houseGiven != 0 {
		s.House = nil
	}
	t.house = t.newHouse(s.House, p)
	t.readOverrides(s.Overrides, p)
	t.unknown = *t.overridden("", t.house.methods(policy.Unsafe), p)

	methods := make(map[string]*Methods)
	merge := newChannelMerge(t.house.channel)
	targets := t.targets(s, p)
	s.checkProfile(p)
	t.checkOverrides(targets, p)
	for _, to := range targets {
		var at place
		var opts *surefootv1.Service
		if to.descriptor != nil {
			t.learnt[to.descriptor.FullName()] = true
			at, opts = t.compileService(to.descriptor, methods, p)
		} else {
			t.undescribed = append(t.undescribed, to.outside)
			at, opts = t.compileUndescribed(to.outside, methods, p)
		}
		merge.add(at, opts, p)
	}
	t.override(methods, p)
	t.overrideUnknown(methods, p)
	t.Channel = merge.result(p)
	t.methods.Store(&methods)
	return t, targets
}

// A target is a service that is named at construction.
type target struct {
	descriptor protoreflect.ServiceDescriptor // nil if nobody has it
	outside    outside                        // none if there is only the .proto
}

// targets notes the contracts of s that are not in a .proto, and returns the
// services that s names: described ones first.
func (t *Table) targets(s Sources, p *problems) []target {
	services := slices.Clone(s.Services)
	for _, o := range s.outsides() {
		name, at := protoreflect.FullName(o.contract.GetServiceName()), o.place(place{})
		switch {
		case !name.IsValid():
			at.service = ""
			p.add(at, "service_name",
				fmt.Sprintf("is %q: set the full name of the service, such as \"etcdserverpb.KV\"", o.contract.GetServiceName()))
		case t.contracts[name].contract != nil:
			p.add(at, "service_name", "is given twice: merge the two contracts into one")
		default:
			t.contracts[name] = o
		}
	}
	described := make(map[protoreflect.FullName]bool)
	for _, sd := range services {
		described[sd.FullName()] = true
	}
	var undescribed []target
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
		undescribed = append(undescribed, target{outside: t.contracts[name]})
	}
	var targets []target
	seen := make(map[protoreflect.FullName]bool)
	for _, sd := range services {
		if !seen[sd.FullName()] {
			seen[sd.FullName()] = true
			targets = append(targets, target{sd, t.contracts[sd.FullName()]})
		}
	}
	return append(targets, undescribed...)
}

// compileService adds the methods of sd to methods and returns the options of
// the service, those given for it merged in, with where they come from.
func (t *Table) compileService(sd protoreflect.ServiceDescriptor, methods map[string]*Methods, p *problems) (place, *surefootv1.Service) {
	in := placeOf(sd) // the .proto
	opts, owned := serviceOptions(sd, in, p)
	if t.without&protoService != 0 {
		opts = &surefootv1.Service{}
	}
	at, over := in, in // over is what is given in Go, or in a file, for it
	o := t.contracts[sd.FullName()]
	given := o.contract
	if given != nil {
		over = o.place(in)
		p.given(over, given)
		for _, name := range slices.Sorted(maps.Keys(given.GetMethods())) {
			if sd.Methods().ByName(protoreflect.Name(name)) == nil {
				p.add(over.at("methods."+name), "methods", fmt.Sprintf("names %q, which the service does not have: use the bare name of one of its methods: %s", name, strings.Join(bare(sd), ", ")))
			}
		}
	}
	if given.GetService() != nil && t.without&givenService == 0 {
		overlay(opts, given.GetService())
		at = over
	}
	base := t.house.inherit(at, opts.GetDefaults(), p)
	profiles := t.newProfiles(opts.GetProfiles(), at, base, bare(sd), p)
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		at := in.method(string(md.Name()))
		d := methodOptions(md, at, p)
		d.owned = d.owned || owned
		if t.without&protoMethod != 0 {
			d.options = &surefootv1.Method{}
		}
		var level *surefootv1.IdempotencyLevel
		var mo *surefootv1.Method // given for it
		if g := given.GetMethods()[string(md.Name())]; g != nil {
			at = over.method(string(md.Name()))
			if t.without&givenMethod == 0 {
				mo = g.GetMethod()
				d.checkKey(mo, at, in.of(at.name, "idempotency_key"), p)
				overlay(d.options, mo)
			}
			if t.without&givenLevel == 0 {
				level = g.IdempotencyLevel
			}
		}
		safety := d.safety(level, at, in.of(at.name, "idempotency_level"), p)
		streams := streams{requests: md.IsStreamingClient(), replies: md.IsStreamingServer()}
		switch {
		case streams.any():
			// What one who gives less time than the .proto leaves of its limits is no
			// mistake of either.
			if mo == nil {
				p.futileStream(at, "", d.options)
			} else {
				p.futileStream(at, "", mo)
			}
		case d.options.GetStream() != nil:
			p.add(at, "stream", ofUnary)
		default:
			p.futile(at, "", narrowed(d.options, mo), safety, base.unary)
		}
		m := base.method(at, d.options, safety, streams, p)
		p.cursor(at, m.Stream.Resume, md)
		p.keyField(at, m.IdempotencyKey, md)
		p.futileBreaker(at, "", narrowed(d.options, mo).GetBreaker(), m.Breaker)
		m = profiles.apply(t.house.profiles.apply(m, "", p), string(md.Name()), p)
		methods[fullMethod(sd.FullName(), md.Name())] = &Methods{Unary: m, Stream: m}
	}
	return at, opts
}

// compileUndescribed compiles a contract for a service whose descriptor is not
// linked into the program, so that nobody knows which methods stream.
func (t *Table) compileUndescribed(o outside, methods map[string]*Methods, p *problems) (place, *surefootv1.Service) {
	c, at := o.contract, o.place(place{})
	p.given(at, c)
	opts := c.GetService()
	if t.without&givenService != 0 {
		opts = nil
	}
	base := t.house.inherit(at, opts.GetDefaults(), p)
	profiles := t.newProfiles(opts.GetProfiles(), at, base, slices.Collect(maps.Keys(c.GetMethods())), p)
	profiles.unseen = true
	layered := func(m policy.Method, name string, p *problems) policy.Method {
		return profiles.apply(t.house.profiles.apply(m, "", p), name, p)
	}
	for _, name := range slices.Sorted(maps.Keys(c.GetMethods())) {
		if !protoreflect.Name(name).IsValid() {
			p.add(at.at("methods."+name), "methods", fmt.Sprintf("names %q, which cannot be a method: use its bare name, such as \"Range\"", name))
			continue
		}
		at, mc := at.method(name), c.GetMethods()[name]
		mo, level := mc.GetMethod(), mc.GetIdempotencyLevel()
		if t.without&givenMethod != 0 {
			mo = nil
		}
		if t.without&givenLevel != 0 {
			level = surefootv1.IdempotencyLevel_IDEMPOTENCY_UNKNOWN
		}
		safety := safetyOf(int32(level))
		p.futile(at, "", mo, safety, base.unary)
		p.futileStream(at, "", mo)
		var asStream problems // what suits one form need not suit the other
		unary := base.method(at, mo, safety, streams{}, p)
		p.futileBreaker(at, "", mo.GetBreaker(), unary.Breaker)
		p.keyField(at, unary.IdempotencyKey, nil)
		methods[fullMethod(protoreflect.FullName(c.GetServiceName()), protoreflect.Name(name))] = &Methods{
			Unary:  layered(unary, name, p),
			Stream: layered(base.method(at, mo, safety, streams{replies: true}, &asStream), name, &problems{}),
		}
		for _, pr := range asStream.list {
			if strings.HasPrefix(pr.Field, "stream") {
				p.list = append(p.list, pr)
			}
		}
	}
	return at, opts
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

// placeOf returns where the .proto of sd is.
func placeOf(sd protoreflect.ServiceDescriptor) place {
	return place{
		source:  sd.ParentFile().Path(),
		service: string(sd.FullName()),
		where:   func(method, field string) string { return positionIn(sd, method, field).String() },
	}
}

// overlay copies the fields that from sets into to, field by field, those of
// maps key by key. Lists are replaced, not appended to.
func overlay(to, from proto.Message) {
	if !from.ProtoReflect().IsValid() {
		return
	}
	dst := to.ProtoReflect()
	if below, ok := to.(*surefootv1.Retry); ok {
		overlayLimit(below, from)
	}
	from.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.IsMap() && fd.MapValue().Message() != nil {
			into := dst.Mutable(fd).Map()
			v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				overlay(into.Mutable(key).Message().Interface(), value.Message().Interface())
				return true
			})
			return true
		}
		if fd.Message() != nil && !fd.IsList() && !fd.IsMap() && dst.Has(fd) {
			overlay(dst.Mutable(fd).Message().Interface(), v.Message().Interface())
			return true
		}
		dst.Set(fd, v)
		return true
	})
}
