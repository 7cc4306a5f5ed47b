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

// The receive windows of a stream and of a connection. Fixed ones switch off
// grpc-go's estimator of the bandwidth-delay product, which sends a ping, and
// gets its answer, for nearly every small reply. They are ample within a data
// centre: at a round trip of 1 ms they allow 1 GB/s for a stream.
const (
	streamWindow     = 1 << 20
	connectionWindow = 4 << 20
)
