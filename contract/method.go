package contract

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// house is what everything inherits from.
type house struct {
	inherited
	channel  policy.Channel
	profiles profiles
}

// inherited is what the methods of one service inherit.
type inherited struct {
	unary, stream policy.Method
	// codes apply to the idempotent methods only, so they are kept apart.
	codes policy.CodeSet
}

func (t *Table) newHouse(opts *surefootv1.Service, p *problems) house {
	var h house
	h.unary, h.stream, h.channel = policy.House()
	at := place{source: "house defaults given in Go"}
	if opts != nil {
		p.unusable(at, "", opts)
	}
	h.inherited = h.inherit(at, opts.GetDefaults(), p)
	if t.without&houseProfile == 0 {
		h.profiles = t.newProfiles(opts.GetProfiles(), at, h.inherited, nil, p)
		h.profiles.skip = 0
	}
	for name, pr := range h.profiles.sorted() {
		if len(pr.GetMethods()) > 0 {
			p.add(at, "profiles."+name+".methods", "is set, but house defaults hold for all services: use defaults, or the contract of a service")
		}
	}
	h.channel = applyChannel(h.channel, opts)
	p.invalid(at, "", h.channel.Validate(), nil)
	return h
}

// methods returns the house defaults of a method of this safety.
func (h house) methods(s policy.Safety) *Methods {
	var p problems
	return &Methods{
		Unary:  h.profiles.apply(h.method(place{}, nil, s, streams{}, &p), "", &p),
		Stream: h.profiles.apply(h.method(place{}, nil, s, streams{replies: true}, &p), "", &p),
	}
}

// inherit returns what the methods of a service with these defaults inherit.
// Deadlines and attempt timeouts of a service hold for its unary methods: a
// stream's length is not the service's to bound.
func (h inherited) inherit(at place, defaults *surefootv1.Method, p *problems) inherited {
	const prefix = "defaults."
	above, streamAbove := h.unary.Validate(), h.stream.Validate()
	h.unary = apply(h.unary, defaults, false)
	h.stream = apply(h.stream, defaults, false)
	if set := codeSet(at, prefix, defaults.GetRetry(), p); set != 0 {
		h.codes = set
	}
	p.vain(at, prefix, defaults)
	p.shared(at, prefix, defaults)
	p.attempts(at, prefix, defaults)
	unary := h.unary.Validate()
	p.invalid(at, prefix, unary, above)
	p.invalid(at, prefix, h.stream.Validate(), errors.Join(append(unwrap(streamAbove), unwrap(unary)...)...))
	return h
}

// method returns the policy of one method with the options mo.
func (h inherited) method(at place, mo *surefootv1.Method, safety policy.Safety, streams streams, p *problems) policy.Method {
	from := h.unary
	if streams.any() {
		from = h.stream
		from.ClientStreaming = streams.requests
	}
	m := apply(from, mo, true)
	m.Safety = safety
	switch codes := codeSet(at, "", mo.GetRetry(), p); {
	case m.ClientStreaming:
	case codes != 0:
		m.Retry.Codes = codes
	case m.MayBeRepeatable():
		m.Retry.Codes = h.codes
	}
	p.vain(at, "", mo)
	p.attempts(at, "", mo)
	p.unsuited(at, "", mo, m)
	p.invalid(at, "", m.Validate(), errors.Join(append(unwrap(h.unary.Validate()), unwrap(h.stream.Validate())...)...))
	return m
}

// streams is what a method streams.
type streams struct{ requests, replies bool }

func (s streams) any() bool { return s.requests || s.replies }

// unsuited reports what is said of a method alone and does not suit its kind.
func (p *problems) unsuited(at place, prefix string, mo *surefootv1.Method, m policy.Method) {
	if m.Streaming && mo != nil && mo.AttemptTimeoutMs != nil {
		p.add(at, prefix+"attempt_timeout_ms", "is not implemented for streaming methods: remove it, or set stream.first_message_timeout_ms")
	}
	p.unaryOnly(at, prefix, mo, m)
	if m.ClientStreaming && len(mo.GetRetry().GetCodes()) > 0 {
		p.add(at, prefix+"retry.codes", "is set, but the client streams requests, which are gone once they were sent: remove it; "+
			"such a stream is reopened only when it provably never reached a handler")
	}
	if m.ClientStreaming && mo.GetStream().GetResume() != nil {
		p.add(at, prefix+"stream.resume", "is set, but the client streams requests, and only a stream of the server is continued: remove it")
	}
	if m.Streaming {
		p.unsuitedPayload(at, prefix, mo)
		if mo.GetIdempotencyKey() != nil {
			p.add(at, prefix+"idempotency_key", "is for unary methods: remove it; a stream is repeated by its idempotency_level alone")
		}
	}
}

// apply returns m with what mo sets, but for the codes, which depend on the
// method's safety. own says that mo is the method's own and not for several:
// times that are said for several are those of the unary methods among them.
func apply(m policy.Method, mo *surefootv1.Method, own bool) policy.Method {
	if mo == nil {
		return m
	}
	switch {
	case !m.Streaming:
		m = applyTimes(m, mo)
	case own:
		setMillis(&m.Deadline, mo.DeadlineMs)
	}
	setMillis(&m.DeadlineMargin, mo.DeadlineMarginMs)
	m = applyAttempts(m, mo, own)
	if !m.Streaming {
		m = applyHedge(m, mo)
	}
	if m.Streaming {
		m.Stream = applyStream(m.Stream, mo.GetStream(), own)
	}
	m.Breaker = applyBreaker(m.Breaker, mo.GetBreaker())
	return m
}

// applyTimes sets the times that mo sets. A deadline below an attempt timeout
// that was inherited switches that timeout off; below one that the same
// options set it is a mistake, which Validate reports.
func applyTimes(m policy.Method, mo *surefootv1.Method) policy.Method {
	if mo.DeadlineMs != nil {
		setMillis(&m.Deadline, mo.DeadlineMs)
		if m.Deadline > 0 && m.AttemptTimeout > m.Deadline {
			m.AttemptTimeout = 0
		}
	}
	setMillis(&m.AttemptTimeout, mo.AttemptTimeoutMs)
	m.DeadlineObserved = applyObserved(m.DeadlineObserved, mo.GetDeadlineObserved(), mo.DeadlineMs != nil)
	m.AttemptTimeoutObserved = applyObserved(m.AttemptTimeoutObserved, mo.GetAttemptTimeoutObserved(), mo.AttemptTimeoutMs != nil)
	return applyPayload(m, mo)
}

func applyRetry(r policy.Retry, ro *surefootv1.Retry) policy.Retry {
	if ro == nil {
		return r
	}
	if ro.MaxAttempts != nil {
		r.MaxAttempts = int(ro.GetMaxAttempts())
	}
	setMillis(&r.MaxElapsed, ro.MaxElapsedMs)
	switch { // the two answer one question
	case ro.UntilDeadline != nil:
		r.UntilDeadline = ro.GetUntilDeadline()
	case ro.MaxAttempts != nil:
		r.UntilDeadline = false
	}
	if b := ro.GetBackoff(); b != nil {
		// One that is set moves the other one, if that is inherited.
		setMillis(&r.Backoff.Base, b.BaseMs)
		setMillis(&r.Backoff.Max, b.MaxMs)
		switch {
		case b.MaxMs == nil:
			r.Backoff.Max = max(r.Backoff.Max, r.Backoff.Base)
		case b.BaseMs == nil && r.Backoff.Max >= 0:
			r.Backoff.Base = min(r.Backoff.Base, r.Backoff.Max)
		}
	}
	return r
}

func codeSet(at place, prefix string, ro *surefootv1.Retry, p *problems) policy.CodeSet {
	var set policy.CodeSet
	for _, c := range ro.GetCodes() {
		if _, known := surefootv1.Code_name[int32(c)]; !known || c == surefootv1.Code_CODE_UNSPECIFIED {
			p.add(at, prefix+"retry.codes", fmt.Sprintf("lists %d, which is not a code that this version knows: "+
				"use the names of gRPC's codes, such as UNAVAILABLE", c))
			continue
		}
		set |= policy.Codes(codes.Code(c))
	}
	return set
}

// invalid adds what Validate reported, but for what it reported of the values
// that were inherited: that was told where it was written.
func (p *problems) invalid(at place, prefix string, err, inherited error) {
	told := invalids(inherited)
	for _, inv := range invalids(err) {
		if !slices.Contains(told, inv) {
			p.add(at, prefix+inv.Field, inv.Problem)
		}
	}
}

// invalids returns what err, of a Validate, joins.
func invalids(err error) []policy.FieldError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var list []policy.FieldError
	for _, e := range joined.Unwrap() {
		if inv, ok := errors.AsType[*policy.FieldError](e); ok {
			list = append(list, *inv)
		}
	}
	return list
}
