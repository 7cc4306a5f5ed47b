package role

import (
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// channel is what the stubs of an arm call through.
type channel interface {
	grpc.ClientConnInterface
	io.Closer
}

// dial opens a channel of the arm. attempts is told of each stream that the
// channel begins.
func dial(arm scenario.Arm, target string, attempts stats.Handler) (channel, error) {
	plain := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(attempts),
	}
	switch arm {
	case scenario.GRPC:
		return grpc.NewClient(target, plain...)
	case scenario.GRPCRoundRobin:
		return grpc.NewClient(target, append(plain, grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))...)
	case scenario.Surefoot:
		return dialSurefoot(target, attempts)
	}
	return nil, fmt.Errorf("no client for the arm %q", arm)
}
