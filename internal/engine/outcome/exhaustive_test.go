package outcome

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/policy"
)

// everything calls visit with every combination of facts, for a method that
// lists no code, one that lists just this code, and one that lists all others.
func everything(visit func(listed policy.CodeSet, f Facts)) {
	pushbacks := []Pushback{{}, {Given: true}, {Given: true, After: time.Second}, {Given: true, Stop: true}, {Given: true, Stop: true, Relayed: true}}
	for code := range codes.Code(18) { // 17 does not exist
		for _, listed := range []policy.CodeSet{0, policy.Codes(code), ^policy.Codes(code)} {
			for _, pb := range pushbacks {
				for bits := range 1 << 8 {
					f := Facts{
						Code:      code,
						Cancelled: bits&1 != 0,
						Expired:   bits&2 != 0,
						Closing:   bits&4 != 0,
						Sent:      bits&8 != 0,
						FromPeer:  bits&16 != 0,
						TimedOut:  bits&32 != 0,
						Aged:      bits&64 != 0,
						Pushback:  pb,

						NotExecuted: bits&128 != 0,
					}
					visit(listed, f)
					if f.Overtaken = f.Cancelled; f.Overtaken {
						visit(listed, f)
					}
				}
			}
		}
	}
}

// table is the table of verdicts as it is written down for people: row by row,
// each with its own condition, without a thought of the rows before it.
var table = []struct {
	verdict Verdict
	matches func(listed policy.CodeSet, f Facts) bool
}{
	{Success, func(_ policy.CodeSet, f Facts) bool { return f.Code == 0 }},
	{Abandoned, func(_ policy.CodeSet, f Facts) bool { return f.Cancelled }},
	{Expired, func(_ policy.CodeSet, f Facts) bool { return f.Expired }},
	{Local, func(_ policy.CodeSet, f Facts) bool { return f.Closing }},
	{Aged, func(_ policy.CodeSet, f Facts) bool {
		return f.Aged && (f.Code == codes.Canceled || f.Code == codes.DeadlineExceeded)
	}},
	{Local, func(_ policy.CodeSet, f Facts) bool {
		transport := map[codes.Code]bool{codes.Unavailable: true, codes.DeadlineExceeded: true, codes.Canceled: f.TimedOut}
		return !f.FromPeer && !transport[f.Code]
	}},
	{Unprocessed, func(_ policy.CodeSet, f Facts) bool {
		return !f.FromPeer && !f.Sent || f.FromPeer && f.NotExecuted
	}},
	{Timeout, func(_ policy.CodeSet, f Facts) bool {
		own := f.TimedOut && (f.Code == codes.Canceled || f.Code == codes.DeadlineExceeded)
		peers := f.FromPeer && f.Code == codes.DeadlineExceeded
		grpcs := f.Sent && !f.FromPeer && f.Code == codes.DeadlineExceeded // a clock that differs from ours by little
		return own || peers || grpcs
	}},
	{Lost, func(_ policy.CodeSet, f Facts) bool { return f.Sent && !f.FromPeer && f.Code == codes.Unavailable }},
	{Relayed, func(_ policy.CodeSet, f Facts) bool { return f.Pushback.Relayed }},
	{Stopped, func(listed policy.CodeSet, f Facts) bool {
		fails := policy.Codes(codes.Unavailable, codes.ResourceExhausted, codes.Unimplemented, codes.Internal, codes.Unknown, codes.DataLoss)
		return f.Pushback.Stop && (listed | fails).Has(f.Code)
	}},
	{Refusal, func(_ policy.CodeSet, f Facts) bool {
		return f.Pushback.Given && !f.Pushback.Stop || f.FromPeer && f.Code == codes.ResourceExhausted
	}},
	{Transient, func(listed policy.CodeSet, f Facts) bool { return listed.Has(f.Code) }},
	{Fault, func(_ policy.CodeSet, f Facts) bool { return f.FromPeer && f.Code == codes.Unavailable }},
	{Missing, func(_ policy.CodeSet, f Facts) bool { return f.Code == codes.Unimplemented }},
	{Broken, func(_ policy.CodeSet, f Facts) bool {
		return f.Code == codes.Internal || f.Code == codes.Unknown || f.Code == codes.DataLoss
	}},
	{Answer, func(policy.CodeSet, Facts) bool { return true }},
}

// rule is a row of the table.
type rule = struct {
	verdict Verdict
	matches func(listed policy.CodeSet, f Facts) bool
}

// judges returns what these rows make of facts, 0 if none matches.
func judges(rules []rule, listed policy.CodeSet, f Facts) Verdict {
	for _, row := range rules {
		if row.matches(listed, f) {
			return row.verdict
		}
	}
	return 0
}

func TestJudgeIsTheTable(t *testing.T) {
	seen := make(map[Verdict]bool)
	everything(func(listed policy.CodeSet, f Facts) {
		for _, row := range table {
			if !row.matches(listed, f) {
				continue
			}
			seen[row.verdict] = true
			if got := Judge(listed, f); got != row.verdict {
				t.Fatalf("%+v listed %v: %v, the table says %v", f, listed, got, row.verdict)
			}
			return
		}
	})
	for v := Success; v <= Answer; v++ {
		if !seen[v] {
			t.Errorf("no facts lead to %v", v)
		}
	}
}

// One application of an unsafe method may at most be lost, never doubled.
func TestUnsafeIsRepeatedOnlyIfNoHandlerWasReached(t *testing.T) {
	repeatable := 0
	everything(func(listed policy.CodeSet, f Facts) {
		if !Judge(listed, f).Repeatable(policy.Unsafe) {
			return
		}
		repeatable++
		if (f.Sent || f.FromPeer) && (!f.FromPeer || !f.NotExecuted) {
			t.Errorf("%+v is repeatable", f)
		}
	})
	if repeatable == 0 {
		t.Error("nothing is repeatable")
	}
}

func TestWhatTheClientMadeItselfIsNeverRepeated(t *testing.T) {
	everything(func(listed policy.CodeSet, f Facts) {
		transport := f.Code == codes.Unavailable || f.Code == codes.DeadlineExceeded || f.TimedOut && f.Code == codes.Canceled
		if f.FromPeer || transport {
			return
		}
		if v := Judge(listed, f); v.Repeatable(policy.ReadOnly) {
			t.Errorf("%+v is %v, repeatable", f, v)
		}
	})
}

func TestNothingIsRepeatedForACallThatIsOver(t *testing.T) {
	everything(func(listed policy.CodeSet, f Facts) {
		if v := Judge(listed, f); (f.Cancelled || f.Expired || f.Closing) && v.Repeatable(policy.ReadOnly) {
			t.Errorf("%+v is %v, repeatable", f, v)
		}
	})
}

func TestTheContractListsWhatThePeerSays(t *testing.T) {
	everything(func(listed policy.CodeSet, f Facts) {
		v, without := Judge(listed, f), Judge(0, f)
		want := Transient
		if f.Pushback.Stop { // and it is no answer
			want = Stopped
		}
		if v != without && (v != want || !listed.Has(f.Code) || !f.FromPeer) {
			t.Errorf("%+v listed %v: %v, without the list %v", f, listed, v, without)
		}
	})
}

// Only a failure of which the client knows that no handler ran may tell a
// caller so.
func TestNotAppliedIsKnownAndNotGuessed(t *testing.T) {
	everything(func(listed policy.CodeSet, f Facts) {
		v := Judge(listed, f)
		known := !f.Sent || v == Success || v == Unprocessed || f.FromPeer && (v == Answer || v == Missing)
		if v == Answer && f.Code == codes.Canceled { // the peer interrupted its handler
			known = false
		}
		if got := v.MayHaveBeenApplied(f.Sent, f.Code); got == known {
			t.Errorf("%+v is %v: may have been applied %v", f, v, got)
		}
	})
}
