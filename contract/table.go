package contract

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Methods is the policy of one method, for each kind of call that may be made
// of it. The two differ only where the descriptor of the method is unknown.
type Methods struct {
	Unary, Stream policy.Method
}

// A Table is the compiled contract of a channel. Its methods may be called
// from any goroutine.
type Table struct {
	// Channel is what holds for the channel.
	Channel policy.Channel

	house     house
	contracts map[protoreflect.FullName]*surefootv1.Contract

	// methods is replaced, never changed, when a method of a service that was
	// not named at construction is called for the first time. mu orders the
	// replacements; readers do not take it.
	methods atomic.Pointer[map[string]*Methods]
	mu      sync.Mutex
}

// Lookup returns the policy of the method with this full name,
// "/package.Service/Method". A service that was not named at construction has
// the contract of its registered .proto; a method that nobody knows has the
// house defaults. err is not nil if that .proto's contract cannot be used: the
// first call of such a service reports it, and gets the house defaults.
func (t *Table) Lookup(full string) (m *Methods, err error) {
	if m := (*t.methods.Load())[full]; m != nil {
		return m, nil
	}
	service, _, ok := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	if ok {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err == nil {
			if sd, ok := d.(protoreflect.ServiceDescriptor); ok {
				return t.learn(sd, full)
			}
		}
	}
	return &Methods{Unary: t.house.unary, Stream: t.house.stream}, nil
}

// learn adds the methods of sd to the table. The number of services that are
// linked into a program bounds how large it grows.
func (t *Table) learn(sd protoreflect.ServiceDescriptor, full string) (*Methods, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := maps.Clone(*t.methods.Load())
	if m := next[full]; m != nil {
		return m, nil
	}
	var p problems
	learnt := make(map[string]*Methods)
	t.compileService(sd, learnt, &p)
	err := p.err()
	if err != nil {
		for name, m := range learnt {
			learnt[name] = &Methods{
				Unary:  safeDefaults(t.house.unary, m.Unary.Safety),
				Stream: safeDefaults(t.house.stream, m.Stream.Safety),
			}
		}
	}
	maps.Copy(next, learnt)
	m := next[full]
	if m == nil { // the service does not have this method: the server will say so
		return &Methods{Unary: t.house.unary, Stream: t.house.stream}, err
	}
	t.methods.Store(&next)
	return m, err
}

func safeDefaults(m policy.Method, s policy.Safety) policy.Method {
	m.Safety = s
	return m
}
