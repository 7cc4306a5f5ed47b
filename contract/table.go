package contract

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

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
	unknown   Methods             // of a method that nobody knows
	unknownOf map[string]*Methods // of one of a service that nobody knows, and that overrides name
	contracts map[protoreflect.FullName]outside
	// undescribed are those contracts whose services nobody knows.
	undescribed []outside
	without     layers // which were left out
	profile     string // that was chosen, "" for none
	overrides   []override
	conflicts   []Problem // of overrides with methods

	// methods is replaced, never changed, when a method of a service that was
	// not named at construction is called for the first time. mu orders the
	// replacements; readers do not take it.
	methods atomic.Pointer[map[string]*Methods]
	mu      sync.Mutex
	// learnt are the services whose methods are in the table. Guarded by mu.
	learnt map[protoreflect.FullName]bool
}

// Lookup returns the policy of the method with this full name,
// "/package.Service/Method". A service that was not named at construction has
// the contract of its registered .proto; a method that nobody knows has the
// house defaults. err is for the first call of such a service to report: that
// the contract of the .proto cannot be used, so that its methods have the house
// defaults; or which options of it are ignored because they are the channel's.
// m is never nil.
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
	if m := t.unknownOf[service]; m != nil {
		return m, nil
	}
	return &t.unknown, nil
}

// Shared reports whether m, which Lookup returned, stands for all methods that
// nobody knows, of all services or of one.
func (t *Table) Shared(m *Methods) bool {
	if m == &t.unknown {
		return true
	}
	for _, of := range t.unknownOf {
		if m == of {
			return true
		}
	}
	return false
}

// learn adds the methods of sd to the table. The number of services that are
// linked into a program bounds how large it grows.
func (t *Table) learn(sd protoreflect.ServiceDescriptor, full string) (*Methods, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	if !t.learnt[sd.FullName()] {
		t.learnt[sd.FullName()] = true
		var p problems
		learnt := make(map[string]*Methods)
		at, opts := t.compileService(sd, learnt, &p)
		if p.err() != nil {
			for name, m := range learnt {
				learnt[name] = t.house.methods(m.Unary.Safety)
			}
		}
		ignored(t.Channel, at, opts, &p)
		before := len(t.conflicts)
		t.override(learnt, &p)
		p.list = append(p.list, t.conflicts[before:]...)
		t.conflicts = t.conflicts[:before]
		err = p.err()
		next := maps.Clone(*t.methods.Load())
		maps.Copy(next, learnt)
		t.methods.Store(&next)
	}
	if m := (*t.methods.Load())[full]; m != nil {
		return m, err
	}
	return &t.unknown, err // the server will say that it has no such method
}
