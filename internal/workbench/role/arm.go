package role

import (
	"fmt"
	"io"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/ringhash" // registers the policy
	"google.golang.org/grpc/credentials/insecure"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// channel is what the stubs of an arm call through.
type channel interface {
	grpc.ClientConnInterface
	io.Closer
}

const (
	roundRobin = `{"loadBalancingConfig":[{"round_robin":{}}]}`
	ringHash   = `{"loadBalancingConfig":[{"ring_hash_experimental":{"requestHashHeader":"` + scenario.KeyHeader + `"}}]}`

	// retryPolicy repeats every method, as those do who have heard that gRPC
	// can. The numbers of the throttling are those of gRFC A6.
	retryPolicy = `{
		"loadBalancingConfig": [{"round_robin":{}}],
		"methodConfig": [{
			"name": [{}],
			"retryPolicy": {
				"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
				"retryableStatusCodes": ["UNAVAILABLE", "DEADLINE_EXCEEDED"]
			}
		}],
		"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
	}`
)

// dial opens a channel as the client of an arm does; more is added to what all
// its kind have.
func dial(how protocol.Further, contract []surefoot.ClientOption, more ...grpc.DialOption) (channel, error) {
	plain := append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, more...)
	with := func(config string, unary ...grpc.UnaryClientInterceptor) (channel, error) {
		return grpc.NewClient(how.Target, append(plain, grpc.WithDefaultServiceConfig(config), grpc.WithChainUnaryInterceptor(unary...))...)
	}
	switch scenario.Client(how.Client) {
	case scenario.GRPC:
		return grpc.NewClient(how.Target, plain...)
	case scenario.GRPCRoundRobin, scenario.GRPCMaxAge:
		return with(roundRobin)
	case scenario.GRPCRingHash:
		return with(ringHash)
	case scenario.GRPCRetryPolicy:
		return with(retryPolicy)
	case scenario.GRPCNaive:
		return with(roundRobin, naive(how.AttemptTimeout))
	case scenario.GRPCOwnTimeouts:
		return with(roundRobin, ownTimeout(how.Timeout))
	case scenario.Surefoot:
		return dialSurefoot(how.Target, contract, more)
	}
	return nil, fmt.Errorf("no client for the arm %q", how.Client)
}
