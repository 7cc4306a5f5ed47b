package surefoot

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/observe"
)

// A CallError is the error of a failed call with the story of its attempts.
// The error that ended the call stays what it was: [status.Code],
// [status.Convert] and its details see the server's own. Get it with
// [errors.As].
type CallError struct {
	// Call is what was asked for and what was tried.
	Call observe.Call
}

func newCallError(c observe.Call) error { return &CallError{Call: c} }

// MayHaveBeenApplied reports whether a handler may have done what the call
// asked for although the call failed. For a method that changes state, false
// means that the call can be made again without harm.
func (e *CallError) MayHaveBeenApplied() bool { return e.Call.MayHaveBeenApplied }

// Denied reports whether the client's breaker did not let the call be made, so
// that no server has seen it. Call.Denial says why. The error is the client's
// then, with the code UNAVAILABLE, or RESOURCE_EXHAUSTED if too many calls of the
// method are in flight.
func (e *CallError) Denied() bool { return e.Call.Denial != nil && !e.Call.Denial.DryRun }

// Verdict returns what the end of the call means, as in observe.Call: "lost",
// "timeout", "answer" … It is "denied" for a call that the client's breaker did not
// let be made, and "" for one that made no attempt for another reason.
func (e *CallError) Verdict() string {
	if e.Denied() {
		return "denied"
	}
	return e.Call.Verdict
}

// RepeatRefused reports whether a repeat might have helped and none was left or
// allowed: attempts, budget or time were used up, the breaker holds the method's
// calls back, or the server asked for none.
// To make the call again all the same only adds to what is too much already.
func (e *CallError) RepeatRefused() bool { return e.Call.RepeatRefused }

// Unwrap returns the error that ended the call.
func (e *CallError) Unwrap() error { return e.Call.Err }

// GRPCStatus returns the status that ended the call, unchanged.
func (e *CallError) GRPCStatus() *status.Status { return status.Convert(e.Call.Err) }

// Error returns the error that ended the call and, in one line, its story.
func (e *CallError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v [%s to %s, %v", e.Call.Err, e.Call.Method, e.Call.Target, e.Call.Duration.Round(10*time.Microsecond))
	if e.Call.MayHaveBeenApplied {
		b.WriteString(", may have been applied")
	}
	if e.Denied() {
		b.WriteString(", not made")
	}
	for i, a := range e.Call.Attempts {
		if i > 0 && i == len(e.Call.Attempts)/2 && e.Call.Omitted > 0 {
			fmt.Fprintf(&b, "; %d more", e.Call.Omitted)
		}
		endpoint := a.Endpoint
		if endpoint == "" {
			endpoint = "no endpoint"
		}
		fmt.Fprintf(&b, "; attempt %d on %s: %v after %v: %s: %s",
			a.Number, endpoint, codes.Code(a.Code), a.Duration.Round(10*time.Microsecond), a.Verdict, a.Next)
	}
	b.WriteString("]")
	return b.String()
}
