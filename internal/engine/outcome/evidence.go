package outcome

import "github.com/surefoot-rpc/surefoot/policy"

// An Evidence is what one finished attempt says of the endpoint it went to,
// which is another question than what it means for its call: NOT_FOUND fails
// a call and is the work of a healthy endpoint.
type Evidence uint8

const (
	// None says nothing: who gave up, or the client, ended the attempt, or the
	// code is one that the contract expects.
	None Evidence = iota
	// Good says that the endpoint answered, whatever the answer.
	Good
	// Bad says that the endpoint failed.
	Bad
	// RateOnly says that the endpoint failed in a way that one request, or a
	// quota, may be to blame for. It counts in a rate that is compared with that
	// of its peers, never by itself. linkerd's breaker treats
	// RESOURCE_EXHAUSTED in the same way.
	RateOnly
	// Connection says that the attempt reached no handler. The state of the
	// connection tells more than any count of such attempts.
	Connection
	// Overtaken says that the endpoint had not answered when another attempt
	// ended the call. How long it had not is the least that its answer takes: an
	// observation that is censored, as survival analysis calls it.
	Overtaken
)

var evidenceNames = [...]string{None: "none", Good: "good", Bad: "bad", RateOnly: "rate-only", Connection: "connection", Overtaken: "overtaken"}

// String returns the evidence's word.
func (e Evidence) String() string {
	if int(e) < len(evidenceNames) {
		return evidenceNames[e]
	}
	return ""
}

// Evidence returns what an attempt with this verdict says of its endpoint. It
// is None for [Abandoned], [Expired], [Relayed] and [Stopped]: there it depends on the
// attempt, and [Weigh] looks.
func (v Verdict) Evidence() Evidence { return v.row().evidence }

// Weigh returns what an attempt with this verdict and these facts says of its
// endpoint. One that was abandoned says nothing, unless another attempt was
// faster: then it had been sent, and has taken this long at least. An attempt that the call's deadline ended is weighed as if there had
// been time left: one that the endpoint had not answered by then is a timeout,
// one that waited for a connection never reached the endpoint. One that was
// answered with a wish for no repeat is weighed as if without it, but never bad by
// itself: an endpoint has that wish when others fail on which it depends, and so
// have its peers then, unless it is the endpoint after all.
func Weigh(v Verdict, listed policy.CodeSet, f Facts) Evidence {
	if v == Abandoned && f.Overtaken && f.Sent && !f.Closing {
		return Overtaken
	}
	if v == Expired {
		f.Expired = false
		v = Judge(listed, f)
	}
	if v == Stopped || v == Relayed {
		f.Pushback = Pushback{}
		if e := Judge(listed, f).Evidence(); e != Bad {
			return e
		}
		return RateOnly
	}
	return v.Evidence()
}
