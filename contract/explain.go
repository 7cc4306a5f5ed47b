package contract

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/policy"
)

// An Explanation is what a client of some services does, each value with where
// it comes from.
type Explanation struct {
	// Services are those of the Sources in the order in which they are compiled:
	// as given, then those that only a contract outside of a .proto names.
	Services []ServiceExplanation
	// Channel is what holds for the channel that the services share.
	Channel []Value
	// Conflicts say which methods the overrides of several methods leave alone, and
	// which overrides are of services that are probably misspelt.
	Conflicts []Problem
}

// A ServiceExplanation is what a client does with the methods of a service.
type ServiceExplanation struct {
	// Name is the service's full name.
	Name string
	// Methods are in the order of the .proto; by name, if there is none.
	Methods []MethodExplanation
}

// A MethodExplanation is what a client does with a method.
type MethodExplanation struct {
	// Name is bare.
	Name string
	// Kind is what the method streams.
	Kind   Kind
	Values []Value
}

// A Kind says what a method streams. A method whose .proto nobody has is
// explained twice: in case that it is unary, and that it is not.
type Kind string

// The kinds of methods.
const (
	KindUnary         Kind = "unary"
	KindClientStream  Kind = "client stream"
	KindServerStream  Kind = "server stream"
	KindBidirectional Kind = "bidirectional stream"
	KindIfUnary       Kind = "if it is unary"
	KindIfStream      Kind = "if it streams"
)

// A Value is one value of a policy.
type Value struct {
	// Field is the name of the field in the contract, with dots.
	Field string
	// Value is a bool, an int64, a string or a []string.
	Value any
	// Text is the value for people: "none" for a time-out of 0.
	Text string
	// Note says what else there is to know; "" is nothing.
	Note   string
	Origin Origin
}

// An Origin is where a value comes from.
type Origin struct {
	Level  Level
	Medium Medium
	// Position is in the .proto or the file, as exact as known.
	Position Position
}

// A Level is what a value was said of. The later ones win.
type Level string

// The levels.
const (
	LevelHouse    Level = "house default"
	LevelService  Level = "service"
	LevelMethod   Level = "method"
	LevelProfile  Level = "profile"
	LevelOverride Level = "override"
)

// A Medium is what a value was said in. The later ones win on one level.
type Medium string

// The media.
const (
	MediumBuiltIn Medium = "built in" // house defaults only
	MediumProto   Medium = "proto"
	MediumFile    Medium = "file"
	MediumGo      Medium = "go"
)

// Explain returns what [Compile] makes of s, or its error.
//
// Which layer a value comes from is found by compiling s again without the
// stronger ones: it is the strongest that changes the value, or that says what
// the value is.
func Explain(s Sources) (*Explanation, error) {
	var p problems
	full, targets := compile(s, 0, &p)
	if err := p.err(); err != nil {
		return nil, err
	}
	x := &explainer{sources: s, table: full}
	// What is wrong by half is not wrong.
	stronger := houseGiven | protoService | givenService | protoMethod | givenMethod | houseProfile | profileDefaults | profileMethods
	for _, next := range []layers{0, houseGiven, protoService, givenService, protoMethod, givenMethod, houseProfile, profileDefaults, profileMethods} {
		stronger &^= next
		without := s
		without.Overrides = nil
		t, _ := compile(without, stronger, &problems{})
		x.steps = append(x.steps, t)
	}
	if s.Overrides != nil {
		for i := range s.Overrides.List {
			weaker := s
			weaker.Overrides = &Overrides{Name: s.Overrides.Name, List: s.Overrides.List[:i+1], Positions: s.Overrides.Positions}
			t, _ := compile(weaker, 0, &problems{})
			x.steps = append(x.steps, t)
		}
	}
	x.ownLevel, _ = compile(s, givenLevel, &problems{})

	e := &Explanation{Channel: x.channel(targets), Conflicts: full.conflicts}
	for _, to := range targets {
		e.Services = append(e.Services, x.service(to))
	}
	return e, nil
}

type explainer struct {
	sources Sources
	table   *Table
	steps   []*Table // each with one layer more than the one before; the last with all
	// ownLevel lacks the levels that are given outside of the .proto.
	ownLevel *Table
}

// A layer is what one place says of one thing.
type layer struct {
	says   protoreflect.Message // a Service or a Method; nil is nothing
	in     string               // "defaults.", if says is a Service and a Method is asked for
	origin func(field string) Origin
}

func builtIn(string) Origin { return Origin{Level: LevelHouse, Medium: MediumBuiltIn} }

// houseLayers are what everything inherits from, the weaker before the
// stronger.
func (x *explainer) houseLayers() []layer {
	inGo := layer{origin: func(string) Origin { return Origin{Level: LevelHouse, Medium: MediumGo} }}
	if x.sources.House != nil {
		inGo.says = x.sources.House.ProtoReflect()
	}
	return []layer{{origin: builtIn}, inGo}
}

// layers are what is said of the service, in its .proto and outside, the weaker
// before the stronger.
func (to target) layers() []layer {
	var proto, given layer
	if to.descriptor != nil {
		proto = to.protoLayer("")
		opts, _ := serviceOptions(to.descriptor, place{}, &problems{})
		proto.says = opts.ProtoReflect()
	}
	if to.outside.contract != nil {
		given = to.outside.layer("")
		if opts := to.outside.contract.GetService(); opts != nil {
			given.says = opts.ProtoReflect()
		}
	}
	return []layer{proto, given}
}

// methodLayers are what is said of its method, likewise.
func (to target) methodLayers(name string) []layer {
	var proto, given layer
	if to.descriptor != nil {
		proto = to.protoLayer(name)
		md := to.descriptor.Methods().ByName(protoreflect.Name(name))
		proto.says = methodOptions(md, place{}, &problems{}).options.ProtoReflect()
	}
	if to.outside.contract != nil {
		given = to.outside.layer(name)
		if opts := to.outside.contract.GetMethods()[name].GetMethod(); opts != nil {
			given.says = opts.ProtoReflect()
		}
	}
	return []layer{proto, given}
}

func (to target) protoLayer(method string) layer {
	return layer{origin: func(field string) Origin {
		return Origin{levelOf(method), MediumProto, positionIn(to.descriptor, method, field)}
	}}
}

func (o outside) layer(method string) layer {
	return layer{origin: func(field string) Origin {
		if o.file == nil {
			return Origin{Level: levelOf(method), Medium: MediumGo}
		}
		pos, _ := o.file.position(Field{o.contract.GetServiceName(), method, field})
		return Origin{levelOf(method), MediumFile, pos}
	}}
}

func levelOf(method string) Level {
	if method == "" {
		return LevelService
	}
	return LevelMethod
}

// channel explains the values of the channel. None depends on another, and
// services that share the channel agree, so that the strongest layer that says
// one is where it comes from.
func (x *explainer) channel(targets []target) []Value {
	layers := x.houseLayers()
	for _, to := range slices.Backward(targets) { // the first that says it
		layers = append(layers, to.layers()...)
	}
	c := x.table.Channel
	var values []Value
	for _, r := range channelRows {
		if r.when != nil && !r.when(c) {
			continue
		}
		v := r.value(c)
		for _, l := range layers {
			if l.origin != nil && (v.Origin.Level == "" || has(l.says, r.field)) {
				v.Origin = l.origin(r.field)
			}
		}
		values = append(values, v)
	}
	return values
}

func (x *explainer) service(to target) ServiceExplanation {
	if to.descriptor == nil {
		return x.undescribed(to)
	}
	s := ServiceExplanation{Name: string(to.descriptor.FullName())}
	for i := range to.descriptor.Methods().Len() {
		md := to.descriptor.Methods().Get(i)
		// Both forms of a method that is described are what it is.
		get := func(t *Table) policy.Method { return t.method(s.Name, string(md.Name())).Unary }
		s.Methods = append(s.Methods, x.method(to, string(md.Name()), kindOf(md), get))
	}
	return s
}

func (x *explainer) undescribed(to target) ServiceExplanation {
	s := ServiceExplanation{Name: to.outside.contract.GetServiceName()}
	for _, name := range sortedKeys(to.outside.contract.GetMethods()) {
		s.Methods = append(s.Methods,
			x.method(to, name, KindIfUnary, func(t *Table) policy.Method { return t.method(s.Name, name).Unary }),
			x.method(to, name, KindIfStream, func(t *Table) policy.Method { return t.method(s.Name, name).Stream }))
	}
	return s
}

func kindOf(md protoreflect.MethodDescriptor) Kind {
	switch {
	case md.IsStreamingClient() && md.IsStreamingServer():
		return KindBidirectional
	case md.IsStreamingClient():
		return KindClientStream
	case md.IsStreamingServer():
		return KindServerStream
	default:
		return KindUnary
	}
}

// method explains the values of a method, whose policy get returns.
func (x *explainer) method(to target, name string, kind Kind, get func(*Table) policy.Method) MethodExplanation {
	m := get(x.table)
	own := to.methodLayers(name)
	inherited := slices.Concat(x.houseLayers(), to.layers())
	for i := range inherited {
		inherited[i].in = "defaults."
	}
	layers := slices.Concat(inherited, own, x.profileLayers(to, name), x.overrideLayers(to, name))
	out := MethodExplanation{Name: name, Kind: kind, Values: []Value{x.safety(m, get(x.ownLevel), own)}}
	for _, r := range methodRows {
		if r.when != nil && !r.when(m) {
			continue
		}
		v := r.value(m)
		for i, l := range layers {
			if l.origin == nil {
				continue
			}
			field := l.in + r.field
			now := r.value(get(x.steps[i]))
			switch {
			case i == 0:
				v.Origin = l.origin(field)
			case has(l.says, field) && saying(l.says, field) == now.plain():
				v.Origin, v.Note = l.origin(field), ""
			case now.plain() != r.value(get(x.steps[i-1])).plain():
				// Another field of this layer moved it.
				mover := r.follows
				if r.orMoved != "" && !has(l.says, l.in+mover) {
					mover = r.orMoved
				}
				v.Origin = l.origin(l.in + mover)
				v.Note = "follows " + mover
			}
		}
		if r.note != nil && v.Note == "" {
			v.Note = r.note(m)
		}
		out.Values = append(out.Values, v)
	}
	return out
}

// safety explains idempotency_level: the .proto's, or what is given for one that
// is silent.
func (x *explainer) safety(m, own policy.Method, layers []layer) Value {
	const field = "idempotency_level"
	v := Value{Field: field, Value: levelNames[m.Safety], Text: levelNames[m.Safety], Origin: builtIn(field)}
	switch m.Safety {
	case policy.Unsafe:
		v.Text, v.Note = "not set", "repeated only when unprocessed"
	case own.Safety:
		v.Origin = layers[0].origin(field)
	default:
		v.Origin = layers[1].origin(field)
	}
	return v
}

// method returns the policy of a method that t knows.
func (t *Table) method(service, method string) *Methods {
	if m := (*t.methods.Load())[fullMethod(protoreflect.FullName(service), protoreflect.Name(method))]; m != nil {
		return m
	}
	return &t.unknown
}
