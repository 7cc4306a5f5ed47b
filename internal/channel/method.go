package channel

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
)

// A method is how calls of one method are made. It is immutable: a changed
// policy makes another one, with what was learnt of the old.
type method struct {
	*contract.Methods
	learnt *learnt
	times  *timeouts.List // of attempts with the timeout of its policy
	guard  *guard         // nil if its breaker is off
	groups *groupGuards   // nil unless each group has one
	latencies
}

// learnt is what a channel has learnt of a method. It outlives the method's
// policies.
type learnt struct {
	// Those of breakers that were never on are nil. mu of the methods guards the
	// two pointers.
	guard  *guard
	groups *groupGuards

	latencies latencies     // guarded by mu of the methods
	lacking   fleet.Lacking // on which endpoints it is missing
	unlike    sync.Once     // tells of a reply that cannot be made again
}

// maxStrangers bounds the methods that nobody knows and that something is
// learnt of, also those of services that an override names. A proxy passes on
// whatever names its callers make up.
const maxStrangers = 256

// methods finds the method of a call. A call costs one look into a map.
type methods struct {
	channel *Channel
	now     atomic.Pointer[methodTable]

	// mu orders replacements of now.
	mu        sync.Mutex
	learnt    map[string]*learnt // by full name; guarded by mu
	strangers int                // of those, how many are of methods that nobody knows
}

// A methodTable is immutable.
type methodTable struct {
	policies *contract.Table
	byName   map[string]*method
	// rest are those of the methods that nobody knows, once there are too many, by
	// the policies that these share. mu of the methods guards it.
	rest map[*contract.Methods]*method
}

// use replaces the policies of all methods, for calls that start from now on.
func (m *methods) use(t *contract.Table) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.learnt == nil {
		m.learnt = make(map[string]*learnt)
	}
	m.now.Store(&methodTable{policies: t, rest: make(map[*contract.Methods]*method)})
}

// lookup returns the method with this full name, "/package.Service/Method".
// problem is told what is wrong with the contract of a service that is called
// for the first time.
func (m *methods) lookup(full string, problem func(error)) *method {
	if found := m.now.Load().byName[full]; found != nil {
		return found
	}
	found, changed, err := m.learn(full)
	problem(err)
	for _, c := range changed {
		c.tell()
	}
	return found
}

// misspelt returns which contracts may be meant for the service of the method
// full, if this is its first call. mu of the methods is held.
func (m *methods) misspelt(t *contract.Table, full string) error {
	service, _, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	called := func(service string) bool {
		for name := range m.learnt {
			if strings.HasPrefix(name, "/"+service+"/") {
				return true
			}
		}
		return false
	}
	if called(service) {
		return nil
	}
	return t.Misspelt(service, called)
}

// others returns the method that stands for all with the policies p, of which
// nothing is learnt. mu of the methods is held.
func (m *methods) others(t *methodTable, p *contract.Methods) *method {
	found := t.rest[p]
	if found == nil {
		found = &method{Methods: p, learnt: new(learnt), times: m.channel.timeouts.Of(p.Unary.AttemptTimeout)}
		t.rest[p] = found
	}
	return found
}

// learn adds the method of this name to the table, and tells how its
// breakers changed because its policy did.
func (m *methods) learn(full string) (*method, []change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.now.Load()
	if found := t.byName[full]; found != nil {
		return found, nil, nil
	}
	p, err := t.policies.Lookup(full)
	l := m.learnt[full]
	if l == nil {
		if t.policies.Shared(p) {
			if m.strangers == maxStrangers {
				return m.others(t, p), nil, err
			}
			m.strangers++
		}
		if misspelt := m.misspelt(t.policies, full); misspelt != nil {
			err = errors.Join(err, misspelt)
		}
		l = new(learnt)
		m.learnt[full] = l
	}
	found := &method{Methods: p, learnt: l, times: m.channel.timeouts.Of(p.Unary.AttemptTimeout)}
	changed := found.guarded(m.channel, full)
	l.latencies.watch(&p.Unary, m.channel.clock())
	found.latencies = l.latencies
	next := *t
	next.byName = maps.Clone(t.byName)
	if next.byName == nil {
		next.byName = make(map[string]*method)
	}
	next.byName[full] = found
	m.now.Store(&next)
	return found, changed, err
}
