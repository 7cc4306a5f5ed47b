package outcome

// A Count is what a call counts as in a breaker, which asks whether it makes
// sense to call the method at all. It is taken from the verdict on the last
// attempt: what a repeat repaired has not failed.
type Count uint8

const (
	// CountNone says nothing of the service: the caller gave up, the client
	// refused by itself, or no handler was reached. One caller whose messages
	// are too large, and a server that lacks a method, open no breaker.
	CountNone Count = iota
	// CountSuccess says that the service did its work, whatever the answer.
	CountSuccess
	// CountFailure says that it did not.
	CountFailure
)

var countNames = [...]string{CountNone: "none", CountSuccess: "success", CountFailure: "failure"}

// String returns the count's word.
func (c Count) String() string {
	if int(c) < len(countNames) {
		return countNames[c]
	}
	return ""
}

// ForBreaker returns what a call whose last attempt ended with this verdict
// counts as in a breaker. It differs from [Verdict.Failure] where no handler
// was reached: whether there is a connection is the balancer's to know, and a
// breaker that opened for want of one would stay open after it is there. And it
// differs where the peer relays the failure of another service, whose breaker is
// the peer's own. If those above opened too, each would have to try for itself, one
// after the other, once all is well again.
func (v Verdict) ForBreaker() Count {
	switch v {
	case Success, Answer:
		return CountSuccess
	case Expired, Timeout, Lost, Stopped, Refusal, Transient, Fault, Broken:
		return CountFailure
	default:
		return CountNone
	}
}
