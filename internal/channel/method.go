package channel

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/surefoot-rpc/surefoot/contract"
)

// A method is how calls of one method are made. It is immutable: a changed
// policy makes another one, with what was learnt of the old.
type method struct {
	*contract.Methods
	learnt *learnt
}

// learnt is what a channel has learnt of a method. It outlives the method's
// policies.
type learnt struct{ _ byte }

// methods finds the method of a call. A call costs one look into a map.
type methods struct {
	now atomic.Pointer[methodTable]

	// mu orders replacements of now.
	mu     sync.Mutex
	learnt map[string]*learnt // by full name; guarded by mu
}

// A methodTable is immutable.
type methodTable struct {
	policies *contract.Table
	byName   map[string]*method
	unknown  *method // of all methods that nobody knows
}

// use replaces the policies of all methods, for calls that start from now on.
func (m *methods) use(t *contract.Table) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.learnt == nil {
		m.learnt = make(map[string]*learnt)
	}
	m.now.Store(&methodTable{policies: t, unknown: m.of("", t.Unknown())})
}

// of returns the method of this name. mu is held.
func (m *methods) of(name string, p *contract.Methods) *method {
	l := m.learnt[name]
	if l == nil {
		l = new(learnt)
		m.learnt[name] = l
	}
	return &method{Methods: p, learnt: l}
}

// lookup returns the method with this full name, "/package.Service/Method".
// problem is told what is wrong with the contract of a service that is called
// for the first time.
func (m *methods) lookup(full string, problem func(error)) *method {
	t := m.now.Load()
	if found := t.byName[full]; found != nil {
		return found
	}
	p, err := t.policies.Lookup(full)
	problem(err)
	switch { // names that a caller makes up do not fill the table
	case p == t.policies.Unknown():
		return t.unknown
	case t.policies.Shared(p):
		return &method{Methods: p, learnt: t.unknown.learnt}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.now.Load(); t.byName[full] != nil {
		return t.byName[full]
	}
	if p, err = t.policies.Lookup(full); err != nil { // of a table that came meanwhile
		problem(err)
	}
	next := *t
	next.byName = maps.Clone(t.byName)
	if next.byName == nil {
		next.byName = make(map[string]*method)
	}
	found := m.of(full, p)
	next.byName[full] = found
	m.now.Store(&next)
	return found
}
