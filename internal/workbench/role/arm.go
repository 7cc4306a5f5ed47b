package role

import (
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// channel is what the stubs of an arm call through.
type channel interface {
	grpc.ClientConnInterface
	io.Closer
}

const roundRobin = `{"loadBalancingConfig":[{"round_robin":{}}]}`

// dial opens a channel of the arm. attempts is told of each stream that the
// channel begins; contract is what the surefoot arm is given beside.
func dial(arm scenario.Arm, target string, attempts stats.Handler, contract []surefoot.ClientOption) (channel, error) {
	plain := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(attempts),
	}
	switch arm {
	case scenario.GRPC:
		return grpc.NewClient(target, plain...)
	case scenario.GRPCRoundRobin, scenario.GRPCMaxAge:
		return grpc.NewClient(target, append(plain, grpc.WithDefaultServiceConfig(roundRobin))...)
	case scenario.Surefoot:
		return dialSurefoot(target, attempts, contract)
	}
	return nil, fmt.Errorf("no client for the arm %q", arm)
}
