package contract

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/nearest"
	"github.com/surefoot-rpc/surefoot/policy"
)

// scope is of how many methods something is said: of several it means those that
// it suits, and what one method alone is told must suit it.
type scope int

const (
	several scope = iota
	one           // of a known kind
	unseen        // one of which nobody knows whether it streams
	unknown       // one of which nobody knows anything
)

// over returns m with what a layer above the contract of the method says: a
// profile, an override.
func over(m policy.Method, at place, prefix string, says *surefootv1.Method, of scope, told error, p *problems) policy.Method {
	if says == nil {
		return m
	}
	told = errors.Join(append(unwrap(m.Validate()), unwrap(told)...)...)
	n := apply(m, says, of != several)
	p.attempts(at, prefix, says)
	p.ownersKey(at, prefix, says)
	codes := codeSet(at, prefix, says.GetRetry(), p)
	switch {
	case of == one || of == unseen:
		p.unsuited(at, prefix, says, n)
		if codes != 0 && !n.ClientStreaming {
			n.Retry.Codes = codes
		}
		switch {
		case m.Streaming:
			p.futileStream(at, prefix, says)
		case says.GetStream() != nil && of == one:
			p.add(at, prefix+"stream", ofUnary)
		default:
			p.futile(at, prefix, says, m.Safety, m)
		}
	case n.MayBeRepeatable() && !n.ClientStreaming && codes != 0:
		n.Retry.Codes = codes
	}
	if of == several || of == unknown { // what was meant for methods that take longer
		if n.Deadline > 0 && n.AttemptTimeout > n.Deadline {
			n.AttemptTimeout = 0
		}
		n.Hedge = n.Hedge.Within(n.Deadline, n.AttemptTimeout)
	}
	if of != several {
		p.futileBreaker(at, prefix, says.GetBreaker(), n.Breaker)
	}
	valid := n
	if of == unknown {
		valid.Safety = policy.Idempotent // it may be, to others
	}
	p.invalid(at, prefix, valid.Validate(), told)
	return n
}

// unwrap returns what err joins.
func unwrap(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

// profiles are those of one service, or of the house. The chosen one is applied
// to each method, and all are checked: one that cannot be used is a mistake
// before anyone chooses it.
type profiles struct {
	all    map[string]*surefootv1.Profile
	chosen string
	at     place            // of what holds them
	told   map[string]error // what is wrong with the defaults of each by itself
	unseen bool             // nobody knows which of the methods stream
	skip   layers
}

// newProfiles checks what can be checked without a method. base is what the
// methods inherit, known are their bare names; nil if nobody knows.
func (t *Table) newProfiles(all map[string]*surefootv1.Profile, at place, base inherited, known []string, p *problems) profiles {
	ps := profiles{all: all, chosen: t.profile, at: at.method(""), told: make(map[string]error), skip: t.without}
	for name, pr := range ps.sorted() {
		prefix := "profiles." + name + "."
		if name == "" || strings.ContainsAny(name, ". \t\n") {
			p.add(ps.at, "profiles", fmt.Sprintf("has one named %q: name it with a word, such as \"interactive\"", name))
		}
		p.shared(ps.at, prefix+"defaults.", pr.GetDefaults())
		alone := apply(base.unary, pr.GetDefaults(), false).Validate()
		p.invalid(ps.at, prefix+"defaults.", alone, base.unary.Validate())
		ps.told[name] = alone
		for _, method := range slices.Sorted(maps.Keys(pr.GetMethods())) {
			if known != nil && !slices.Contains(known, method) {
				p.add(ps.at.at(prefix+"methods."+method), prefix+"methods",
					fmt.Sprintf("names %q, which the service does not have: %s", method, nearest.Hint(method, known)))
			}
		}
	}
	return ps
}

// sorted returns the profiles in the order of their names, so that mistakes
// always make the same message.
func (ps profiles) sorted() iter.Seq2[string, *surefootv1.Profile] {
	return func(yield func(string, *surefootv1.Profile) bool) {
		for _, name := range slices.Sorted(maps.Keys(ps.all)) {
			if !yield(name, ps.all[name]) {
				return
			}
		}
	}
}

// apply returns m, the policy of the method with this bare name, as the chosen
// profile has it.
func (ps profiles) apply(m policy.Method, method string, p *problems) policy.Method {
	out, of := m, one
	if ps.unseen {
		of = unseen
	}
	for name, pr := range ps.sorted() {
		prefix := "profiles." + name + "."
		n := m
		if ps.skip&profileDefaults == 0 {
			n = over(n, ps.at, prefix+"defaults.", pr.GetDefaults(), several, ps.told[name], p)
		}
		if ps.skip&profileMethods == 0 {
			n = over(n, ps.at, prefix+"methods."+method+".", pr.GetMethods()[method], of, nil, p)
		}
		if name == ps.chosen {
			out = n
		}
	}
	return out
}

// checkProfile reports a profile that was chosen and that nobody has.
func (s Sources) checkProfile(p *problems) {
	names := s.Profiles()
	if s.Profile == "" || slices.Contains(names, s.Profile) {
		return
	}
	how := "leave it out, or declare profiles in a service"
	if len(names) > 0 {
		how = nearest.Hint(s.Profile, names)
	}
	p.add(place{source: "the client's choice"}, "profile", fmt.Sprintf("is %q, which no service of this client has: %s", s.Profile, how))
}

// Profiles returns the names of the profiles that a client of s may choose,
// sorted.
func (s Sources) Profiles() []string {
	t := &Table{contracts: make(map[protoreflect.FullName]outside)}
	names := slices.Collect(maps.Keys(s.House.GetProfiles()))
	for _, to := range t.targets(s, &problems{}) {
		names = slices.AppendSeq(names, maps.Keys(to.profiles()))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// profiles returns what is said of profiles, in the .proto and outside.
func (to target) profiles() map[string]*surefootv1.Profile {
	opts := &surefootv1.Service{}
	if to.descriptor != nil {
		opts, _ = serviceOptions(to.descriptor, place{}, &problems{})
	}
	overlay(opts, to.outside.contract.GetService())
	return opts.GetProfiles()
}

// bare returns the names of the methods of sd.
func bare(sd protoreflect.ServiceDescriptor) []string {
	names := make([]string, sd.Methods().Len())
	for i := range names {
		names[i] = string(sd.Methods().Get(i).Name())
	}
	return names
}
