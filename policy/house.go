package policy

import "time"

// House returns the house defaults: what a contract that says nothing gets.
// Unary methods have a deadline and streams have none.
//
// The numbers: three attempts and a budget of 20 % are Finagle's and
// linkerd's, with a floor of 1/s per channel in place of their 10/s because a
// fleet has many channels; the backoff starts at Envoy's 25 ms; a connect
// that takes a second is not worth waiting for (linkerd). Keepalive pings
// stay above the 5 minutes that a foreign server tolerates; its time-out of
// 2 s is what TCP_USER_TIMEOUT becomes, and that is what finds a dead peer.
func House() (unary, stream Method, channel Channel) {
	retry := Retry{
		MaxAttempts: 3,
		Backoff:     Backoff{Base: 25 * time.Millisecond, Max: time.Second},
	}
	unary = Method{Deadline: 10 * time.Second, Retry: retry}
	stream = Method{Streaming: true, Retry: retry}
	channel = Channel{
		Budget: Budget{RatioPercent: 20, MinPerSecond: 1, Window: 10 * time.Second},
		Connection: Connection{
			ConnectTimeout:   time.Second,
			KeepaliveTime:    5 * time.Minute,
			KeepaliveTimeout: 2 * time.Second,
		},
	}
	return unary, stream, channel
}
