package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/nearest"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Overrides are what an operator changes in clients that run.
type Overrides struct {
	// Name is the file's, as messages show it.
	Name string
	// List is in the order of the file: the later ones win.
	List []*surefootv1.Override
	// Positions are of every value in List, by its path from the override on, and
	// of the overrides themselves, with the path "".
	Positions map[OverrideField]Position
}

// An OverrideField names a value of an override.
type OverrideField struct {
	// Index is that of the override in its list.
	Index int
	// Path is the name of the field, with dots: "set.retry.max_attempts".
	Path string
}

// An OverrideSource is a file of overrides. Package contract/yaml makes one.
type OverrideSource struct {
	// Path is where the file is.
	Path string
	// Parse reads what is in it. Its error says file and line.
	Parse func(name string, text []byte) (*Overrides, error)
	// MaxSize is the largest file that Parse reads, in bytes.
	MaxSize int64
}

// position returns where f stands, or else what holds it.
func (o *Overrides) position(f OverrideField) Position {
	for {
		if pos, known := o.Positions[f]; known || f.Path == "" {
			if pos.File == "" {
				pos.File = o.Name
			}
			return pos
		}
		f.Path = f.Path[:max(strings.LastIndexByte(f.Path, '.'), 0)]
	}
}

// An override is one of a list, with the methods that it matches.
type override struct {
	says            *surefootv1.Method
	service, method string // "" is every one
	at              place
	told            error // what is wrong with it by itself
	index           int   // in the list
}

// own says that the override is of one method.
func (o override) own() bool { return o.method != "" }

// matches reports whether o is of the method with this full name.
func (o override) matches(full string) bool {
	service, method := split(full)
	return (o.service == "" || o.service == service) && (o.method == "" || o.method == method)
}

func split(full string) (service, method string) {
	service, method, _ = strings.Cut(strings.TrimPrefix(full, "/"), "/")
	return service, method
}

// readOverrides reads what file says. It may be nil.
func (t *Table) readOverrides(file *Overrides, p *problems) {
	if file == nil {
		return
	}
	for i, o := range file.List {
		at := place{source: file.Name, where: func(_, field string) string {
			return file.position(OverrideField{i, field}).String()
		}}
		p.unknown(at, "", o.ProtoReflect())
		read := override{says: o.GetSet(), at: at, index: i}
		pattern := o.GetMethods()
		switch service, method, ok := strings.Cut(pattern, "/"); {
		case pattern == "*":
		case ok && protoreflect.FullName(service).IsValid() && method == "*":
			read.service = service
		case ok && protoreflect.FullName(service).IsValid() && protoreflect.Name(method).IsValid():
			read.service, read.method = service, method
		default:
			p.add(at, "methods", fmt.Sprintf("is %q: write \"*\" for every method, \"package.Service/*\" for those of a service, or \"package.Service/Method\"", pattern))
			continue
		}
		if o.GetSet() == nil {
			p.add(at, "set", "is missing: set the values that the methods get, such as {retry: {max_attempts: 1}}")
			continue
		}
		p.unusable(at, "set.", o.GetSet())
		read.at.service, read.at.name = read.service, read.method
		if !read.own() {
			p.shared(read.at, "set.", read.says)
			read.told = apply(t.house.unary, read.says, false).Validate()
			p.invalid(read.at, "set.", read.told, t.house.unary.Validate())
		}
		t.overrides = append(t.overrides, read)
	}
}

// checkOverrides reports overrides of methods that their services, as far as
// they are known, do not have. One file serves many clients, so that the
// services themselves may be others'.
func (t *Table) checkOverrides(targets []target, p *problems) {
	services := make(map[string]protoreflect.ServiceDescriptor) // nil for one that has a contract alone
	for _, to := range targets {
		if to.descriptor != nil {
			services[string(to.descriptor.FullName())] = to.descriptor
		} else {
			services[to.outside.contract.GetServiceName()] = nil
		}
	}
	for _, o := range t.overrides {
		sd, known := services[o.service]
		if sd == nil {
			sd = serviceNamed(o.service)
		}
		if !known && sd == nil && o.service != "" {
			t.misspeltOverride(o, slices.Sorted(maps.Keys(services)))
		}
		if sd != nil && !o.own() && o.says.GetStream() != nil && !anyStreams(sd) {
			var none problems
			none.add(o.at, "set.stream", "is set, but no method of the service streams: remove it")
			t.conflicts = append(t.conflicts, none.list...)
		}
		if sd != nil && o.own() && sd.Methods().ByName(protoreflect.Name(o.method)) == nil {
			at := o.at
			at.name = ""
			p.add(at, "methods", fmt.Sprintf("names %q, which the service does not have: %s", o.method, nearest.Hint(o.method, bare(sd))))
		}
	}
}

// misspeltOverride tells of an override of a service that nobody knows, if one of
// those that are known is probably meant.
func (t *Table) misspeltOverride(o override, known []string) {
	for _, name := range known {
		if resembles(o.service, name) {
			var p problems
			at := o.at
			at.service, at.name = "", ""
			p.add(at, "methods", fmt.Sprintf("is of %q, which this client does not know; it has %q: write that name if it is meant", o.service, name))
			t.conflicts = append(t.conflicts, p.list...)
		}
	}
}

func anyStreams(sd protoreflect.ServiceDescriptor) bool {
	for i := range sd.Methods().Len() {
		if md := sd.Methods().Get(i); md.IsStreamingClient() || md.IsStreamingServer() {
			return true
		}
	}
	return false
}

// override applies the overrides to methods, by full name. One of a single
// method that does not suit it is a mistake; one of several leaves those alone
// that it does not suit, so that "retries off" reaches all others, and
// [Table.Conflicts] tells which.
func (t *Table) override(methods map[string]*Methods, p *problems) {
	if len(t.overrides) == 0 {
		return
	}
	for _, full := range slices.Sorted(maps.Keys(methods)) {
		methods[full] = t.overridden(full, methods[full], p)
	}
}

// overrideUnknown applies those overrides whose services, or methods, nobody
// knows. They are named, so that their number is bounded.
func (t *Table) overrideUnknown(methods map[string]*Methods, p *problems) {
	t.unknownOf = make(map[string]*Methods)
	for _, o := range t.overrides {
		if o.service == "" || serviceNamed(o.service) != nil {
			continue // its methods are overridden when they are compiled
		}
		if t.unknownOf[o.service] == nil {
			t.unknownOf[o.service] = t.overridden("/"+o.service+"/", t.house.methods(policy.Unsafe), p)
		}
		if full := "/" + o.service + "/" + o.method; o.own() && methods[full] == nil {
			methods[full] = t.overridden(full, t.house.methods(policy.Unsafe), p)
		}
	}
}

// serviceNamed returns the service of this name that is linked into the
// program, nil if there is none.
func serviceNamed(name string) protoreflect.ServiceDescriptor {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	sd, _ := d.(protoreflect.ServiceDescriptor)
	return sd
}

// overridden returns m, the policies of the method with this full name, with
// the overrides that match it.
func (t *Table) overridden(full string, m *Methods, p *problems) *Methods {
	out := *m
	known := m.Stream == m.Unary
	for _, o := range t.overrides {
		if !o.matches(full) {
			continue
		}
		at := o.at
		at.service, at.name = split(full)
		of := several
		switch {
		case o.own() && known:
			of = one
		case o.own() && t.given(at):
			of = unseen
		case o.own():
			of = unknown
		}
		var wrong problems
		next := Methods{Unary: over(out.Unary, at, "set.", o.says, of, o.told, &wrong)}
		if known {
			next.Stream = next.Unary
		} else { // nobody knows whether it streams: what suits one form need not suit the other
			next.Stream = over(out.Stream, at, "set.", o.says, of, o.told, &problems{})
		}
		if len(wrong.list) == 0 {
			out = next
			continue
		}
		if o.own() {
			p.list = append(p.list, wrong.list...)
		} else {
			t.conflicts = append(t.conflicts, wrong.list...)
		}
	}
	return &out
}

// given reports whether there is a contract outside of a .proto for the method at.
func (t *Table) given(at place) bool {
	return t.contracts[protoreflect.FullName(at.service)].contract.GetMethods()[at.name] != nil
}

// Conflicts returns, as an [*Error], which methods the overrides of several
// methods leave alone, and why, and which overrides are of services that are
// probably misspelt; nil if there are none. The table is not in use yet.
func (t *Table) Conflicts() error {
	if len(t.conflicts) == 0 {
		return nil
	}
	return &Error{Problems: t.conflicts}
}
