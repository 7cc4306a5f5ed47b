package outcome

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/policy"
)

// Facts of the usual kinds; the tests change what they are about.
var (
	fromPeer = Facts{Sent: true, FromPeer: true}
	lost     = Facts{Sent: true}
	unsent   = Facts{}
)

func (f Facts) with(c codes.Code, change ...func(*Facts)) Facts {
	f.Code = c
	for _, set := range change {
		set(&f)
	}
	return f
}

func cancelled(f *Facts) { f.Cancelled = true }
func expired(f *Facts)   { f.Expired = true }
func closing(f *Facts)   { f.Closing = true }
func timedOut(f *Facts)  { f.TimedOut = true }
func aged(f *Facts)      { f.Aged = true }
func pushedBack(f *Facts) {
	f.Pushback = Pushback{Given: true, After: time.Second}
}
func stopped(f *Facts) { f.Pushback = Pushback{Given: true, Stop: true} }

func relayed(f *Facts) { f.Pushback = Pushback{Given: true, Stop: true, Relayed: true} }

func TestEachRowOfTheTable(t *testing.T) {
	listed := policy.Codes(codes.Aborted)
	for _, c := range []struct {
		name string
		f    Facts
		want Verdict
	}{
		{"OK", fromPeer.with(codes.OK), Success},
		{"cancelled by the caller", lost.with(codes.Canceled, cancelled), Abandoned},
		{"the call's deadline has passed", lost.with(codes.DeadlineExceeded, expired), Expired},
		{"the client was closed", unsent.with(codes.Canceled, closing), Local},
		{"the client was closed under a call", lost.with(codes.Unavailable, closing), Local},
		{"a message too large to send", lost.with(codes.ResourceExhausted), Local},
		{"a message that cannot be encoded", lost.with(codes.Internal), Local},
		{"no credentials", unsent.with(codes.Unauthenticated), Local},
		{"an interceptor's plain error, before a pick", unsent.with(codes.Unknown), Local},
		{"cancelled, but not by its timer", lost.with(codes.Canceled), Local},
		{"a stream at its maximum age", fromPeer.with(codes.Canceled, aged), Aged},
		{"a stream at its maximum age that nobody answered", lost.with(codes.Canceled, aged), Aged},
		{"a stream that ended by itself at its maximum age", fromPeer.with(codes.NotFound, aged), Answer},
		{"no connection", unsent.with(codes.Unavailable), Unprocessed},
		{"timer passed while it waited for a connection", unsent.with(codes.Canceled, timedOut), Unprocessed},
		{"timer passed", lost.with(codes.Canceled, timedOut), Timeout},
		{"timer passed, told as a deadline", lost.with(codes.DeadlineExceeded, timedOut), Timeout},
		{"DEADLINE_EXCEEDED of the peer", fromPeer.with(codes.DeadlineExceeded), Timeout},
		{"the connection was lost", lost.with(codes.Unavailable), Lost},
		{"the peer wants no repeat", fromPeer.with(codes.Unavailable, stopped), Stopped},
		{"the peer wants no repeat of an answer", fromPeer.with(codes.NotFound, stopped), Answer},
		{"others below the peer want no repeat", fromPeer.with(codes.Unavailable, relayed), Relayed},
		{"others below the peer want no repeat, told in other words", fromPeer.with(codes.NotFound, relayed), Relayed},
		{"the peer wants a repeat later", fromPeer.with(codes.Unavailable, pushedBack), Refusal},
		{"any code with a pushback", fromPeer.with(codes.FailedPrecondition, pushedBack), Refusal},
		{"RESOURCE_EXHAUSTED of the peer", fromPeer.with(codes.ResourceExhausted), Refusal},
		{"a listed code", fromPeer.with(codes.Aborted), Transient},
		{"UNAVAILABLE of the peer", fromPeer.with(codes.Unavailable), Fault},
		{"UNIMPLEMENTED of the peer", fromPeer.with(codes.Unimplemented), Missing},
		{"INTERNAL of the peer", fromPeer.with(codes.Internal), Broken},
		{"UNKNOWN of the peer", fromPeer.with(codes.Unknown), Broken},
		{"DATA_LOSS of the peer", fromPeer.with(codes.DataLoss), Broken},
		{"CANCELLED by the peer", fromPeer.with(codes.Canceled), Answer},
		{"INVALID_ARGUMENT of the peer", fromPeer.with(codes.InvalidArgument), Answer},
		{"NOT_FOUND of the peer", fromPeer.with(codes.NotFound), Answer},
		{"ALREADY_EXISTS of the peer", fromPeer.with(codes.AlreadyExists), Answer},
		{"PERMISSION_DENIED of the peer", fromPeer.with(codes.PermissionDenied), Answer},
		{"FAILED_PRECONDITION of the peer", fromPeer.with(codes.FailedPrecondition), Answer},
		{"OUT_OF_RANGE of the peer", fromPeer.with(codes.OutOfRange), Answer},
		{"UNAUTHENTICATED of the peer", fromPeer.with(codes.Unauthenticated), Answer},
		{"a code that does not exist", fromPeer.with(99), Answer},
	} {
		if got := Judge(listed, c.f); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Two rows match each of these facts: the first one is the verdict.
func TestTheFirstMatchingRowWins(t *testing.T) {
	all := ^policy.CodeSet(0)
	for _, c := range []struct {
		name   string
		listed policy.CodeSet
		f      Facts
		want   Verdict
	}{
		{"success before abandoned", 0, fromPeer.with(codes.OK, cancelled), Success},
		{"success before expired", 0, fromPeer.with(codes.OK, expired), Success},
		{"abandoned before expired", 0, lost.with(codes.Canceled, cancelled, expired), Abandoned},
		{"abandoned before closing", 0, lost.with(codes.Canceled, cancelled, closing), Abandoned},
		{"expired before closing", 0, lost.with(codes.Unavailable, expired, closing), Expired},
		{"expired before local", 0, lost.with(codes.ResourceExhausted, expired), Expired},
		{"expired before unprocessed", 0, unsent.with(codes.Unavailable, expired), Expired},
		{"expired before timeout", 0, lost.with(codes.Canceled, expired, timedOut), Expired},
		{"closing before unprocessed", 0, unsent.with(codes.Unavailable, closing), Local},
		{"closing before timeout", 0, lost.with(codes.Canceled, closing, timedOut), Local},
		{"local before unprocessed", 0, unsent.with(codes.Internal), Local},
		{"local before listed", all, lost.with(codes.Internal), Local},
		{"unprocessed before timeout", 0, unsent.with(codes.DeadlineExceeded, timedOut), Unprocessed},
		{"unprocessed before lost", 0, unsent.with(codes.Unavailable), Unprocessed},
		{"timeout before stopped", 0, fromPeer.with(codes.DeadlineExceeded, stopped), Timeout},
		{"timeout before relayed", 0, fromPeer.with(codes.DeadlineExceeded, relayed), Timeout},
		{"timeout before refusal", 0, fromPeer.with(codes.DeadlineExceeded, pushedBack), Timeout},
		{"timeout before listed", all, fromPeer.with(codes.DeadlineExceeded), Timeout},
		{"timeout before answer", 0, fromPeer.with(codes.Canceled, timedOut), Timeout},
		{"lost before listed", all, lost.with(codes.Unavailable), Lost},
		{"stopped before refusal", 0, fromPeer.with(codes.ResourceExhausted, stopped), Stopped},
		{"stopped before listed", all, fromPeer.with(codes.Aborted, stopped), Stopped},
		{"refusal before listed", all, fromPeer.with(codes.ResourceExhausted), Refusal},
		{"refusal before fault", 0, fromPeer.with(codes.Unavailable, pushedBack), Refusal},
		{"refusal before missing", 0, fromPeer.with(codes.Unimplemented, pushedBack), Refusal},
		{"listed before fault", all, fromPeer.with(codes.Unavailable), Transient},
		{"listed before missing", all, fromPeer.with(codes.Unimplemented), Transient},
		{"listed before broken", all, fromPeer.with(codes.Internal), Transient},
		{"listed before answer", all, fromPeer.with(codes.NotFound), Transient},
	} {
		if got := Judge(c.listed, c.f); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestATimerDoesNotMakeATimeoutOfAnAnswer(t *testing.T) {
	for _, c := range []struct {
		f    Facts
		want Verdict
	}{
		{fromPeer.with(codes.NotFound, timedOut), Answer},
		{fromPeer.with(codes.Unavailable, timedOut), Fault},
		{lost.with(codes.Unavailable, timedOut), Lost},
	} {
		if got := Judge(0, c.f); got != c.want {
			t.Errorf("%+v: %v, want %v", c.f, got, c.want)
		}
	}
}

func TestWhatFollowsFromEachVerdict(t *testing.T) {
	for _, wrong := range followsWrongly() {
		t.Error(wrong)
	}
}

// followsWrongly returns what follows from a verdict and should not.
func followsWrongly() (wrong []string) {
	for _, c := range []struct {
		v                  Verdict
		name               string
		unsafe, idempotent bool // may be repeated for
		same               bool
		free               bool
		failure            bool
		applied            bool // may have been, if it was sent
	}{
		{v: Success, name: "success"},
		{v: Abandoned, name: "abandoned", applied: true},
		{v: Expired, name: "expired", failure: true, applied: true},
		{v: Local, name: "local", applied: true},
		{v: Aged, name: "aged", applied: true},
		{v: Unprocessed, name: "unprocessed", unsafe: true, idempotent: true, free: true, failure: true},
		{v: Timeout, name: "timeout", idempotent: true, failure: true, applied: true},
		{v: Lost, name: "lost", idempotent: true, free: true, failure: true, applied: true},
		{v: Relayed, name: "relayed", failure: true, applied: true},
		{v: Stopped, name: "stopped", failure: true, applied: true},
		{v: Refusal, name: "refusal", idempotent: true, failure: true, applied: true},
		{v: Transient, name: "transient", idempotent: true, same: true, failure: true, applied: true},
		{v: Fault, name: "fault", idempotent: true, failure: true, applied: true},
		{v: Missing, name: "missing", idempotent: true},
		{v: Broken, name: "broken", failure: true, applied: true},
		{v: Answer, name: "answer"},
		// What is not a verdict follows from nothing.
		{v: 0, name: "", applied: true},
		{v: Answer + 1, name: "", applied: true},
	} {
		if got := c.v.String(); got != c.name {
			wrong = append(wrong, fmt.Sprintf("verdict %d is called %q, want %q", c.v, got, c.name))
		}
		for what, is := range map[string][2]bool{
			"repeatable if unsafe":     {c.v.Repeatable(policy.Unsafe), c.unsafe},
			"repeatable if idempotent": {c.v.Repeatable(policy.Idempotent), c.idempotent},
			"repeatable if read-only":  {c.v.Repeatable(policy.ReadOnly), c.idempotent},
			"same endpoint":            {c.v.SameEndpoint(), c.same},
			"free":                     {c.v.Free(), c.free},
			"failure":                  {c.v.Failure(), c.failure},
			"applied if sent":          {c.v.MayHaveBeenApplied(true, codes.Aborted), c.applied},
			"applied if interrupted":   {c.v.MayHaveBeenApplied(true, codes.Canceled), c.applied || c.v == Answer},
			"applied if not sent":      {c.v.MayHaveBeenApplied(false, codes.Aborted), false},
		} {
			if is[0] != is[1] {
				wrong = append(wrong, fmt.Sprintf("%q: %s is %v, want %v", c.name, what, is[0], is[1]))
			}
		}
	}
	return wrong
}
