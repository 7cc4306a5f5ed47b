package outcome

import (
	"testing"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestWhatEachVerdictCountsAsInABreaker(t *testing.T) {
	for v, want := range map[Verdict]Count{
		0:           CountNone,
		Success:     CountSuccess,
		Abandoned:   CountNone,
		Expired:     CountFailure,
		Local:       CountNone,
		Aged:        CountNone,
		Unprocessed: CountNone,
		Timeout:     CountFailure,
		Lost:        CountFailure,
		Relayed:     CountNone,
		Stopped:     CountFailure,
		Refusal:     CountFailure,
		Transient:   CountFailure,
		Fault:       CountFailure,
		Missing:     CountNone,
		Broken:      CountFailure,
		Answer:      CountSuccess,
		Answer + 1:  CountNone,
	} {
		if got := v.ForBreaker(); got != want {
			t.Errorf("%v counts as %v, want %v", v, got, want)
		}
	}
}

// What counts against the service is what failed at the service.
func TestNothingThatReachedNoHandlerCountsInABreaker(t *testing.T) {
	everything(func(listed policy.CodeSet, f Facts) {
		v := Judge(listed, f)
		switch got := v.ForBreaker(); {
		case got == CountFailure && !v.Failure():
			t.Fatalf("%+v is %v: a failure for the breaker alone", f, v)
		case got != CountNone && !f.Sent && !f.FromPeer && !f.Expired && f.Code != 0:
			t.Fatalf("%+v is %v: %v, and nothing was sent", f, v, got)
		case got != CountNone && f.Cancelled && f.Code != 0:
			t.Fatalf("%+v is %v: %v, and the caller gave up", f, v, got)
		}
	})
}

func TestCountsHaveWords(t *testing.T) {
	for c, word := range []string{"none", "success", "failure", ""} {
		if got := Count(c).String(); got != word {
			t.Errorf("%d is %q, want %q", c, got, word)
		}
	}
}
