// Package outcome decides what one finished attempt means.
//
// It judges from facts: a code, who made it, what was sent. It never reads the
// text of an error. Where facts do not suffice the verdict is final, so that
// nothing is applied twice.
package outcome

import (
	"time"

	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/policy"
)

// Facts is what is known of a finished attempt.
type Facts struct {
	// Code is what the attempt ended with.
	Code codes.Code
	// Cancelled says that the caller gave the call up, or that the attempt was
	// [Facts.Overtaken].
	Cancelled bool
	// Overtaken says that another attempt ended the call.
	Overtaken bool
	// Expired says that the call's own deadline has passed.
	Expired bool
	// Closing says that the client was closed by its owner.
	Closing bool
	// Sent says that a stream was created, so that a handler may have run.
	Sent bool
	// FromPeer says that Code is the peer's and not the transport's.
	FromPeer bool
	// TimedOut says that the attempt's own timer ended it.
	TimedOut bool
	// NotExecuted says that the peer claims to have refused the attempt before
	// anything of it was executed.
	NotExecuted bool
	// Aged says that the client ended a stream at its maximum age.
	Aged bool
	// Pushback is what the peer asked for.
	Pushback Pushback
}

// A Pushback is the peer's wish about a repeat (gRFC A6, "Pushback"). The zero
// Pushback is none.
type Pushback struct {
	Given bool
	// Stop says that there must be no repeat.
	Stop bool
	// Relayed says that Stop is about a call which the peer has made, to a service
	// further below.
	Relayed bool
	// After is how long to wait before one.
	After time.Duration
}

// A Verdict is what a finished attempt means. docs/verdicts.md explains each,
// in the same order.
type Verdict uint8

const (
	// Success means that the call succeeded.
	Success Verdict = iota + 1
	// Abandoned means that the caller gave up.
	Abandoned
	// Expired means that the call's deadline has passed.
	Expired
	// Local means that the client itself refused.
	Local
	// Aged means that a stream has lasted for as long as it may.
	Aged
	// Unprocessed means that the attempt provably never reached a handler.
	Unprocessed
	// Timeout means that the attempt took too long, and the call has time left.
	Timeout
	// Lost means that the connection was lost after the attempt was sent.
	Lost
	// Relayed means that the peer asked for no repeat because of a call that it has
	// made: another service has failed.
	Relayed
	// Stopped means that the peer asked for no repeat.
	Stopped
	// Refusal means that the peer asked to come back later.
	Refusal
	// Transient means that the contract lists the code.
	Transient
	// Fault means that the peer said UNAVAILABLE.
	Fault
	// Missing means that the peer lacks the method.
	Missing
	// Broken means that the peer failed in a way that says nothing about repeats.
	Broken
	// Answer means that the peer answered the application.
	Answer
)

// Judge returns the verdict on an attempt of a method with these listed codes.
// The first rule that matches wins.
func Judge(listed policy.CodeSet, f Facts) Verdict {
	switch {
	case f.Code == codes.OK:
		return Success
	case f.Cancelled:
		return Abandoned
	case f.Expired:
		return Expired
	case f.Closing:
		return Local
	case f.Aged && ended(f.Code):
		return Aged
	case local(f):
		return Local
	case f.FromPeer && f.NotExecuted, !f.Sent && !f.FromPeer: // a peer that answered was sent something
		return Unprocessed
	case f.TimedOut && ended(f.Code), f.Code == codes.DeadlineExceeded:
		return Timeout
	case f.Code == codes.Unavailable && !f.FromPeer:
		return Lost
	case f.Pushback.Stop && f.Pushback.Relayed:
		return Relayed
	case f.Pushback.Stop && said(listed, f.Code) != Answer: // an answer is final anyway
		return Stopped
	case f.Pushback.Given && !f.Pushback.Stop:
		return Refusal
	default:
		return said(listed, f.Code)
	}
}

// said returns what a code means that the peer has said.
func said(listed policy.CodeSet, c codes.Code) Verdict {
	switch {
	case c == codes.ResourceExhausted:
		return Refusal
	case listed.Has(c):
		return Transient
	case c == codes.Unavailable:
		return Fault
	case c == codes.Unimplemented:
		return Missing
	case c == codes.Internal, c == codes.Unknown, c == codes.DataLoss:
		return Broken
	default:
		return Answer
	}
}

// local reports whether the client made the failure itself: a message that is
// too large or cannot be encoded, credentials that could not be had, an
// interceptor's refusal. The transport's and the picker's own failures are
// UNAVAILABLE; any other code that no peer sent comes from the client, or
// cannot be told from that.
func local(f Facts) bool {
	if f.FromPeer {
		return false
	}
	switch f.Code {
	case codes.Unavailable, codes.DeadlineExceeded:
		return false
	case codes.Canceled:
		return !f.TimedOut
	default:
		return true
	}
}

// ended reports whether c is how a cancelled attempt ends.
func ended(c codes.Code) bool { return c == codes.Canceled || c == codes.DeadlineExceeded }

// A Repeat says which methods an attempt may be repeated for.
type Repeat uint8

const (
	// Never is for no method.
	Never Repeat = iota
	// IfIdempotent is for what may have reached a handler.
	IfIdempotent
	// AnyMethod is for what provably did not.
	AnyMethod
)

// row is what follows from a verdict.
type row struct {
	name    string
	repeat  Repeat
	same    bool // the same endpoint may be tried again
	free    bool // does not count against the limit while another endpoint is left
	failure bool // counts as failing when the budget asks how the service does

	evidence Evidence // against the endpoint
}

var rows = [...]row{
	Success:     {name: "success", evidence: Good},
	Abandoned:   {name: "abandoned"},
	Expired:     {name: "expired", failure: true},
	Local:       {name: "local"},
	Aged:        {name: "aged"},
	Unprocessed: {name: "unprocessed", repeat: AnyMethod, free: true, failure: true, evidence: Connection},
	Timeout:     {name: "timeout", repeat: IfIdempotent, failure: true, evidence: Bad},
	Lost:        {name: "lost", repeat: IfIdempotent, free: true, failure: true, evidence: Bad},
	Relayed:     {name: "relayed", failure: true},
	Stopped:     {name: "stopped", failure: true},
	Refusal:     {name: "refusal", repeat: IfIdempotent, failure: true, evidence: RateOnly},
	Transient:   {name: "transient", repeat: IfIdempotent, same: true, failure: true},
	Fault:       {name: "fault", repeat: IfIdempotent, failure: true, evidence: Bad},
	Missing:     {name: "missing", repeat: IfIdempotent},
	Broken:      {name: "broken", failure: true, evidence: RateOnly},
	Answer:      {name: "answer", evidence: Good},
}

func (v Verdict) row() row {
	if int(v) < len(rows) {
		return rows[v]
	}
	return row{}
}

// String returns the verdict's word.
func (v Verdict) String() string { return v.row().name }

// Repeatable reports whether an attempt with this verdict may be repeated for
// a method of this safety.
func (v Verdict) Repeatable(s policy.Safety) bool {
	switch v.row().repeat {
	case AnyMethod:
		return true
	case IfIdempotent:
		return s.Repeatable()
	default:
		return false
	}
}

// SameEndpoint reports whether the repeat may go to the same endpoint.
func (v Verdict) SameEndpoint() bool { return v.row().same }

// Free reports whether the attempt does not count against the limit of
// attempts while an endpoint is left that was not tried.
func (v Verdict) Free() bool { return v.row().free }

// Failure reports whether the service failed, as far as anyone can tell.
func (v Verdict) Failure() bool { return v.row().failure }

// MayHaveBeenApplied reports whether a handler may have done its work though
// the attempt failed with c and the peer's answer does not tell.
func (v Verdict) MayHaveBeenApplied(sent bool, c codes.Code) bool {
	switch v {
	case Success, Unprocessed, Missing:
		return false
	case Answer:
		// CANCELLED is what becomes of a handler that was interrupted.
		return c == codes.Canceled
	default:
		return sent
	}
}
