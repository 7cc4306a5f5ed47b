package channel

import (
	"math"
	"time"

	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
)

// reconnect is the wait between the connects of one endpoint. It is short
// because a restarted server must be found, and capped low because an
// unreachable one costs a SYN every two seconds.
var reconnect = backoff.Config{
	BaseDelay:  100 * time.Millisecond,
	Multiplier: 1.6,
	Jitter:     0.2,
	MaxDelay:   2 * time.Second,
}

// keepaliveParams pings only while calls are in flight: a foreign server
// counts idle pings as abuse.
func keepaliveParams(every, timeout time.Duration) keepalive.ClientParameters {
	if every == 0 {
		every = math.MaxInt64 // never
	}
	return keepalive.ClientParameters{Time: every, Timeout: timeout}
}
