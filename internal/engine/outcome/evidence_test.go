package outcome

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestWhatEachVerdictSaysOfTheEndpoint(t *testing.T) {
	for _, wrong := range saysWrongly() {
		t.Error(wrong)
	}
}

// saysWrongly returns what a verdict says of the endpoint and should not.
func saysWrongly() (wrong []string) {
	for v, want := range map[Verdict]Evidence{
		0:           None,
		Success:     Good,
		Abandoned:   None, // Weigh looks at the facts
		Expired:     None, // Weigh looks at the facts
		Local:       None,
		Aged:        None,
		Unprocessed: Connection,
		Timeout:     Bad,
		Lost:        Bad,
		Relayed:     None, // the same
		Stopped:     None, // the same
		Refusal:     RateOnly,
		Transient:   None,
		Fault:       Bad,
		Missing:     None,
		Broken:      RateOnly,
		Answer:      Good,
		Answer + 1:  None,
	} {
		if got := v.Evidence(); got != want {
			wrong = append(wrong, fmt.Sprintf("%v: %v, want %v", v, got, want))
		}
	}
	return wrong
}

func TestAnExpiredCallsAttemptIsWeighedByItsFacts(t *testing.T) {
	listed := policy.Codes(codes.Aborted)
	for _, c := range []struct {
		name string
		f    Facts
		want Evidence
	}{
		{"no answer until the deadline", lost.with(codes.DeadlineExceeded, expired), Bad},
		{"no answer until the attempt's timer, the same moment", lost.with(codes.Canceled, expired, timedOut), Bad},
		{"the peer says so", fromPeer.with(codes.DeadlineExceeded, expired), Bad},
		{"it waited for a connection", unsent.with(codes.DeadlineExceeded, expired), Connection},
		{"the connection was lost", lost.with(codes.Unavailable, expired), Bad},
		{"an answer, too late", fromPeer.with(codes.NotFound, expired), Good},
		{"a listed code, too late", fromPeer.with(codes.Aborted, expired), None},
		{"INTERNAL, too late", fromPeer.with(codes.Internal, expired), RateOnly},
		{"the client ended it for a reason of its own", lost.with(codes.Canceled, expired), None},
	} {
		v := Judge(listed, c.f)
		if v != Expired {
			t.Errorf("%s: %v, want it expired", c.name, v)
		}
		if got := Weigh(v, listed, c.f); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A server that wants no repeat may speak for others on which it depends. It is
// compared with its peers, and never ejected by itself.
func TestWhoWantsNoRepeatIsComparedWithItsPeers(t *testing.T) {
	listed := policy.Codes(codes.Aborted)
	for _, c := range []struct {
		code codes.Code
		want Evidence
	}{
		{codes.Unavailable, RateOnly},
		{codes.ResourceExhausted, RateOnly},
		{codes.Internal, RateOnly},
		{codes.Aborted, None},
		{codes.Unimplemented, None},
		{codes.NotFound, Good},
	} {
		for _, relayed := range []bool{false, true} {
			want := Stopped
			switch {
			case relayed:
				want = Relayed
			case c.want == Good:
				want = Answer
			}
			f := Facts{Code: c.code, Sent: true, FromPeer: true, Pushback: Pushback{Given: true, Stop: true, Relayed: relayed}}
			v := Judge(listed, f)
			if got := Weigh(v, listed, f); v != want || got != c.want {
				t.Errorf("%v: %v, %v; want it %v and %v", c.code, v, got, want, c.want)
			}
		}
	}
	everything(func(listed policy.CodeSet, f Facts) {
		if v := Judge(listed, f); (v == Stopped || v == Relayed) && Weigh(v, listed, f) == Bad {
			t.Fatalf("%+v is bad", f)
		}
	})
}

// Whatever ends a call, the endpoint is judged by what the endpoint did.
func TestEvidenceDoesNotDependOnTheCallsTime(t *testing.T) {
	everything(func(listed policy.CodeSet, f Facts) {
		weigh := func(f Facts) Evidence { return Weigh(Judge(listed, f), listed, f) }
		late, early := f, f
		late.Expired, early.Expired = true, false
		if a, b := weigh(late), weigh(early); a != b {
			t.Fatalf("%+v: %v if the call has expired, else %v", f, a, b)
		}
		switch got := weigh(f); {
		case f.Cancelled && f.Code != codes.OK && got != None && (got != Overtaken || !f.Overtaken || !f.Sent):
			t.Fatalf("%+v: the caller gave up, and the endpoint is %v", f, got)
		case f.Overtaken && f.Sent && !f.Closing && f.Code != codes.OK && got != Overtaken:
			t.Fatalf("%+v: another attempt was faster, and the endpoint is %v", f, got)
		case f.Closing && f.Code != codes.OK && got != None:
			t.Fatalf("%+v: the client was closed, and the endpoint is %v", f, got)
		case f.FromPeer && !f.NotExecuted && f.Code == codes.NotFound && got != Good && got != None && got != RateOnly && got != Overtaken:
			t.Fatalf("%+v: NOT_FOUND is %v", f, got)
		case got == Bad && !f.Sent && !f.FromPeer:
			t.Fatalf("%+v: nothing was sent, and the endpoint is bad", f)
		}
	})
}

func TestEvidenceHasWords(t *testing.T) {
	want := []string{"none", "good", "bad", "rate-only", "connection", "overtaken", ""}
	for e, word := range want {
		if got := Evidence(e).String(); got != word {
			t.Errorf("%d is %q, want %q", e, got, word)
		}
	}
}
