package channel

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/channel/discovery"
	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
)

// DialOptions returns what makes a grpc-go channel this channel. A call passes
// the interceptors in the order of the lines; each says why it stands
// where it does.
func (c *Channel) DialOptions() []grpc.DialOption {
	connection := c.cfg.Table.Channel.Connection

	opts := []grpc.DialOption{
		// Defaults of ours that the user's options may replace.
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
	}
	// The user's come before ours: their interceptors see a call once, however
	// many attempts it takes.
	opts = append(opts, c.cfg.Dial...)
	if !c.xds {
		// xDS brings its own balancer in a service config; nobody else may.
		opts = append(opts, grpc.WithDisableServiceConfig(),
			grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, fleet.BalancerName)))
	} else {
		// Its balancer tells us nothing of attempts; this does, at a cost.
		opts = append(opts, grpc.WithStatsHandler(facts{}))
	}
	return append(opts,
		// Ours makes the attempts. It must be below what counts calls.
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream),
		// The user's interceptors that want to see each attempt: below ours.
		grpc.WithChainUnaryInterceptor(c.cfg.Unary...),
		grpc.WithChainStreamInterceptor(c.cfg.Stream...),
		// Sees what grpc-go itself opens, whatever the user's do above.
		grpc.WithChainStreamInterceptor(c.open),

		// One owner of repeats: no retry policy from a name server.
		grpc.WithDisableRetry(),

		// Below the interceptors: names, connections, the wire. A resolver that
		// the user gives for "dns" stands before ours.
		grpc.WithResolvers(discovery.Builders(c.cfg.Target, c.discovery())...),
		// An HTTP proxy connects; it must not resolve, or it would balance.
		grpc.WithLocalDNSResolution(),
		// What was learnt of a fleet must outlive a quiet night.
		grpc.WithIdleTimeout(0),
		grpc.WithTransportCredentials(c.fleet.Credentials(c.cfg.Credentials)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           reconnect,
			MinConnectTimeout: connection.ConnectTimeout,
		}),
		grpc.WithKeepaliveParams(keepaliveParams(connection.KeepaliveTime, connection.KeepaliveTimeout)),
	)
}
