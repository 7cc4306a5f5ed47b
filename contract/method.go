package contract

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// house is what everything inherits from.
type house struct {
	inherited
	channel policy.Channel
}

// inherited is what the methods of one service inherit.
type inherited struct {
	unary, stream policy.Method
	// codes apply to the idempotent methods only, so they are kept apart.
	codes policy.CodeSet
}

func newHouse(opts *surefootv1.Service, p *problems) house {
	var h house
	h.unary, h.stream, h.channel = policy.House()
	at := place{source: "house defaults given in Go"}
	if opts != nil {
		p.unknown(at, "", opts)
	}
	h.inherited = h.inherit(at, opts.GetDefaults(), p)
	h.channel = applyChannel(h.channel, opts)
	p.invalid(at, "", h.channel.Validate())
	return h
}

// inherit returns what the methods of a service with these defaults inherit.
// Deadlines and attempt timeouts of a service hold for its unary methods: a
// stream's length is not the service's to bound.
func (h inherited) inherit(at place, defaults *surefootv1.Method, p *problems) inherited {
	const prefix = "defaults."
	h.unary = applyTimes(at, prefix, h.unary, defaults, p)
	h.unary.Retry = applyRetry(h.unary.Retry, defaults.GetRetry())
	h.stream.Retry = applyRetry(h.stream.Retry, defaults.GetRetry())
	if set := codeSet(at, prefix, defaults.GetRetry(), p); set != 0 {
		h.codes = set
	}
	if defaults != nil {
		p.invalid(at, prefix, h.unary.Validate())
	}
	return h
}

// method returns the policy of one method with the options mo.
func (h inherited) method(at place, mo *surefootv1.Method, safety policy.Safety, streaming bool, p *problems) policy.Method {
	var m policy.Method
	codes := codeSet(at, "", mo.GetRetry(), p)
	if streaming {
		m = h.stream
		if mo != nil && mo.AttemptTimeoutMs != nil {
			p.add(at, "attempt_timeout_ms", "is not implemented for streaming methods: remove it")
		}
		if codes != 0 {
			p.add(at, "retry.codes", "is not implemented for streaming methods: remove it; a stream is reopened only when it provably never reached a handler")
		}
		if mo != nil && mo.DeadlineMs != nil {
			m.Deadline = millis(at, "deadline_ms", mo.GetDeadlineMs(), p)
		}
	} else {
		m = applyTimes(at, "", h.unary, mo, p)
		switch {
		case codes != 0:
			m.Retry.Codes = codes
		case safety.Repeatable():
			m.Retry.Codes = h.codes
		}
	}
	m.Safety = safety
	m.Retry = applyRetry(m.Retry, mo.GetRetry())
	p.invalid(at, "", m.Validate())
	return m
}

// applyTimes sets the times that mo sets. A deadline below an attempt timeout
// that was inherited switches that timeout off; below one that the same
// options set it is a mistake, which Validate reports.
func applyTimes(at place, prefix string, m policy.Method, mo *surefootv1.Method, p *problems) policy.Method {
	if mo == nil {
		return m
	}
	if mo.DeadlineMs != nil {
		m.Deadline = millis(at, prefix+"deadline_ms", mo.GetDeadlineMs(), p)
		if m.Deadline > 0 && m.AttemptTimeout > m.Deadline {
			m.AttemptTimeout = 0
		}
	}
	if mo.AttemptTimeoutMs != nil {
		m.AttemptTimeout = millis(at, prefix+"attempt_timeout_ms", mo.GetAttemptTimeoutMs(), p)
	}
	return m
}

func applyRetry(r policy.Retry, ro *surefootv1.Retry) policy.Retry {
	if ro == nil {
		return r
	}
	if ro.MaxAttempts != nil {
		r.MaxAttempts = int(ro.GetMaxAttempts())
	}
	if b := ro.GetBackoff(); b != nil {
		if b.BaseMs != nil {
			r.Backoff.Base = time.Duration(b.GetBaseMs()) * time.Millisecond
			if b.MaxMs == nil {
				r.Backoff.Max = max(r.Backoff.Max, r.Backoff.Base)
			}
		}
		if b.MaxMs != nil {
			r.Backoff.Max = time.Duration(b.GetMaxMs()) * time.Millisecond
			if b.BaseMs == nil {
				r.Backoff.Base = min(r.Backoff.Base, r.Backoff.Max)
			}
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

// maxMillis bounds times: a year is a mistake in the unit, not a time-out.
const maxMillis = int64(365*24*time.Hour) / int64(time.Millisecond)

func millis(at place, field string, ms int64, p *problems) time.Duration {
	if ms > maxMillis {
		p.add(at, field, fmt.Sprintf("is %d, more than a year: the unit is milliseconds", ms))
		return 0
	}
	return time.Duration(max(ms, -maxMillis)) * time.Millisecond
}

// invalid adds what Validate reported.
func (p *problems) invalid(at place, prefix string, err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, e := range joined.Unwrap() {
		var inv *policy.Invalid
		if errors.As(e, &inv) {
			p.add(at, prefix+inv.Field, inv.Problem)
		}
	}
}
