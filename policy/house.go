package policy

import "time"

// waitForReady is what a server that restarts takes to be back, with the
// reconnects of a client that tries after 0.1, 0.26, 0.5, 0.9 and 1.6 s. A
// client whose servers are gone for good fails soon enough. (linkerd's proxy
// waits for 3 s before it fails fast.)
const waitForReady = 2 * time.Second

// House returns the house defaults: what a contract that says nothing gets.
// Unary methods have a deadline; streams have none, but are watched: silence is
// the normal state of many, so that it ends none and is reason to probe.
//
// The numbers: three attempts and a budget of 20 % are Finagle's and
// linkerd's, with a floor of 1/s per channel in place of their 10/s because a
// fleet has many channels; the backoff starts at Envoy's 25 ms; a connect
// that takes a second is not worth waiting for (linkerd). Keepalive pings
// stay above the 5 minutes that a foreign server tolerates; its time-out of
// 2 s is what TCP_USER_TIMEOUT becomes, which finds a dead peer if nothing else
// does. A hop keeps 20 ms of its caller's deadline for its own answer (boulder).
// Two choices, a panic threshold of 50 % and an overprovisioning of 140 %
// are Envoy's. Times that are observed are twice what was seen, and not so short
// that a garbage collection counts. A client that uses 250 endpoints of a larger
// fleet spreads well and has room for 25 MB of connections.
func House() (unary, stream Method, channel Channel) {
	retry := Retry{
		MaxAttempts: 3,
		Backoff:     Backoff{Base: 25 * time.Millisecond, Max: time.Second},
	}
	unary = Method{
		Deadline:     10 * time.Second,
		WaitForReady: waitForReady,
		Retry:        retry,
		Breaker:      HouseBreaker(),
		// Off, until a delay or a load, or a quantile, is said.
		Hedge:                  Hedge{MaxHedges: 1},
		DeadlineObserved:       Observed{FactorPercent: 200, Floor: 100 * time.Millisecond},
		AttemptTimeoutObserved: Observed{FactorPercent: 200, Floor: 20 * time.Millisecond},
	}
	stream = Method{Streaming: true, WaitForReady: waitForReady, Retry: retry, Stream: Stream{Silence: 10 * time.Second}, Breaker: HouseBreaker()}
	unary.DeadlineMargin, stream.DeadlineMargin = 20*time.Millisecond, 20*time.Millisecond
	channel = Channel{
		Budget: Budget{RatioPercent: 20, MinPerSecond: 1, Window: 10 * time.Second},
		Connection: Connection{
			ConnectTimeout:   time.Second,
			KeepaliveTime:    5 * time.Minute,
			KeepaliveTimeout: 2 * time.Second,
			MaxConnecting:    64,
			Drain:            5 * time.Minute,
			Liveness:         HouseLiveness(),
		},
		Discovery: Discovery{MinTTL: time.Second, MaxTTL: 5 * time.Minute},
		Balance: Balance{
			Choices:                 2,
			SubsetSize:              250,
			PanicPercent:            50,
			OverprovisioningPercent: 140,
			Ejection:                HouseEjection(),
		},
	}
	return unary, stream, channel
}
