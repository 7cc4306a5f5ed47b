// Package observe defines the hooks through which a program sees what Surefoot
// does on its behalf: each attempt, each call, each change of the endpoints.
//
// It imports the standard library alone. Adapters live in sub-packages.
package observe

import (
	"context"
	"time"
)

// An Observer is a set of hooks, any of which may be nil. Hooks run on the path
// of a call: they are called from many goroutines at once, must not block and
// must not keep the slices they are given. More hooks may come.
//
// Endpoint and Discovery run beside the calls: one after the other, in the order
// in which things happened, on a goroutine of the client's own, soon after they
// happened; the last may run soon after the client was closed. If they block,
// changes are lost, and Problem says how many.
//
// Any hook may close the client. A hook that panics on the goroutine of a call
// panics in the caller's hands, and leaves no trace in what Surefoot counts; one that
// panics on another goroutine ends the program, as any panic does.
type Observer struct {
	// AttemptStart runs before an attempt is made. Attempts of a call that hedges
	// overlap; each has its AttemptStart before its AttemptDone, and all have both
	// before CallDone.
	AttemptStart func(ctx context.Context, method string, number int)
	// AttemptDone runs when an attempt of a call is over.
	AttemptDone func(ctx context.Context, method string, a Attempt)
	// CallDone runs once for each call, when it is over.
	CallDone func(ctx context.Context, c Call)
	// Endpoint runs when the state of an endpoint changes.
	Endpoint func(e EndpointChange)
	// Breaker runs when a breaker opens, lets trials through or closes.
	Breaker func(b BreakerChange)
	// Discovery runs when the target's name was looked up.
	Discovery func(d Discovery)
	// Override runs when the overrides of an operator were read, and are in use or
	// are refused.
	Override func(o Override)
	// Problem runs when something needs a person, but no call can return it: a
	// contract that cannot be used, a handler that panicked.
	Problem func(err error)
}

// An Attempt is one try of a call on one endpoint.
type Attempt struct {
	// Number counts the attempts of the call from 1, in the order in which they
	// began.
	Number int
	// Endpoint is the address that was picked, "" if none was.
	Endpoint string
	// Start is when the attempt began, Duration how long it took.
	Start    time.Time
	Duration time.Duration
	// Code is the gRPC code that it ended with, as a number: 0 is OK.
	Code uint32
	// Verdict is what the attempt's end means: "success", "timeout", "lost" …
	Verdict string
	// MayHaveBeenApplied says that the attempt failed and may nevertheless have
	// reached a handler that did its work.
	MayHaveBeenApplied bool
	// Next is what was done then, or why nothing was: "repeat", "backoff",
	// "pushback", "success", "final", "no attempts left", "no time left", "retry
	// budget exhausted" … It is for people, and may change.
	Next string
}

// A Call is what the application asked for, with all its attempts.
type Call struct {
	// Method is the full name: "/inventory.v1.Inventory/Get".
	Method string
	// Target is what the client was made with.
	Target   string
	Start    time.Time
	Duration time.Duration
	// Err is what the caller got, nil for success.
	Err error
	// Attempts are in the order in which they were made. Of a call that made many,
	// they are the first eight that were over and the last eight.
	Attempts []Attempt
	// Omitted is how many attempts there were between those.
	Omitted int
	// Verdict is what the call's end means: that of the attempt that ended it, which
	// need not be the last one where attempts overlap. "abandoned" or "local" if the
	// caller or the client's owner ended it while it waited, "unprocessed" if there was
	// no endpoint for it, "" if it was refused before any attempt.
	Verdict string
	// MayHaveBeenApplied says that the call failed, and that one of its
	// attempts may nevertheless have reached a handler.
	MayHaveBeenApplied bool
	// RepeatRefused says that the call failed, that a repeat might have helped, and
	// that none was left or allowed: attempts, budget or time were used up, the
	// breaker holds the method's calls back, or the server asked for no repeat.
	// Whoever waits for the call should not repeat it either; the answer of a server
	// of Surefoot that fails with it says so.
	RepeatRefused bool
	// Denial is why the breaker did not let the call be made, nil if it did. Such
	// a call has no attempts, unless it is a dry run.
	Denial *Denial
}

// A Denial is why a breaker does not let a call be made.
type Denial struct {
	// Reason is "circuit open", "circuit half-open, trials taken", "throttled" or
	// "too many in flight".
	Reason string
	// Why is what the breaker was opened for, or how much it holds back or lets
	// through, for people.
	Why string
	// Since is when it opened, or became half-open.
	Since time.Time
	// Wait is how long an open breaker stays so.
	Wait time.Duration
	// DryRun says that the call was made nevertheless.
	DryRun bool
}

// A BreakerChange is a change of the state of the breaker of one method.
type BreakerChange struct {
	// Target is what the client was made with, Method the full name.
	Target, Method string
	// Group is the group of endpoints whose breaker it is, "" for the method's.
	Group string
	// From and To are "closed", "open" or "half-open".
	From, To string
	// Why is what it was decided from, for people.
	Why string
	// For is how long an open breaker stays so.
	For time.Duration
	// DryRun says that nothing is done about it.
	DryRun bool
}

// An EndpointChange is a change of the state of one endpoint.
type EndpointChange struct {
	// Target is what the client was made with, Endpoint the address.
	Target, Endpoint string
	// From and To are "", "idle", "connecting", "ready", "transient_failure" or
	// "gone", From is "" for a new endpoint; "in", "ejected", "on trial" or
	// "returning" for its part in balancing; "ready", "suspect" or "condemned"
	// for a connection that is silent.
	From, To string
	// Why is what an ejection or a suspicion was decided from, for people.
	Why string
	// Err is why the endpoint cannot be connected, if that is the change.
	Err error
}

// A Discovery is one look-up of the target's name.
type Discovery struct {
	// Target is what the client was made with, Host the name that was looked up.
	Target, Host string
	// Endpoints is how many endpoints are in use after the look-up.
	Endpoints int
	// TTL is what the answer said, 0 if there was none.
	TTL time.Duration
	// Err is why there was no answer. The last good one stays in use.
	Err error
}

// An Override is one reading of the file of overrides, which brought something
// new.
type Override struct {
	// Target is what the client was made with, File the path of the overrides.
	Target, File string
	// InUse is how many overrides are in use now.
	InUse int
	// Refused says that the file was not used: those of before stay in use.
	Refused bool
	// Err is why it was refused, or else which methods the overrides of several
	// methods leave alone because they contradict what these have, and which override
	// is of a service whose name is probably misspelt. nil if there is nothing to say.
	// A file that is not there, and is awaited, is [io/fs.ErrNotExist].
	Err error
}
