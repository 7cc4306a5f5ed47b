package serve

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/surefoot-rpc/surefoot/policy"
)

const (
	// clientSilence is how long a client may be silent before the server asks
	// whether it lives, and clientTimeout how long it may then take to answer.
	// The second is also the TCP_USER_TIMEOUT of the server's side. A dead client
	// costs memory and never a call, so there is no hurry, and a client that the
	// network hides for some seconds keeps its calls.
	clientSilence = time.Minute
	clientTimeout = 20 * time.Second

	// minPingInterval is the shortest interval of a client's pings that is never
	// held against it: half the smallest that any contract can ask for. It is
	// not read from this server's own contract, because clients and servers are
	// deployed at different times: a client may obey a version of the contract
	// that this server does not know. Half, because pings that waited in the
	// network arrive closer together than they were sent.
	minPingInterval = policy.MinKeepaliveTime / 2

	// maxHandshake bounds the time from a connection's accept to its first
	// frames. grpc-go begins a drain when the last handshake is over, so the
	// bound must leave most of the drain to the calls.
	maxHandshake = 10 * time.Second
)

// transportOptions returns what the server says about its connections.
func transportOptions(cfg Config) []grpc.ServerOption {
	opts := []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             minPingInterval,
			PermitWithoutStream: true,
		}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			// Zero is never. grpc-go adds a jitter of 10 %. There is no grace
			// period after which it would cut the calls of an old connection:
			// they end when they end, and a dead client is found by the kernel.
			MaxConnectionAge: cfg.Channel.Connection.MaxAge,
			Time:             clientSilence,
			Timeout:          clientTimeout,
		}),
		grpc.ConnectionTimeout(handshakeTimeout(cfg.DrainTimeout)),
	}
	if cfg.Credentials != nil {
		opts = append(opts, grpc.Creds(cfg.Credentials))
	}
	return opts
}

// handshakeTimeout leaves half of the drain to the calls, and a second to
// clients whatever the drain.
func handshakeTimeout(drain time.Duration) time.Duration {
	return min(max(drain/2, time.Second), maxHandshake)
}
