package channel

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/channel/fleet"
)

// connects stands for grpc-go around a balancer. All connects succeed.
type connects struct {
	balancer.ClientConn
	all []connected
}

type connected struct {
	balancer.SubConn
	listener func(balancer.SubConnState)
}

func (c *connects) NewSubConn(_ []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	c.all = append(c.all, connected{listener: o.StateListener})
	return c.all[len(c.all)-1], nil
}
func (c *connects) UpdateState(balancer.State) {}
func (connected) Connect()                     {}

// connect connects the endpoints of a channel that has no client, and returns what
// ends that.
func connect(ch *Channel, addrs ...string) (done func()) {
	cc := &connects{}
	b := balancer.Get(fleet.BalancerName).Build(cc, balancer.BuildOptions{DialCreds: ch.fleet.Credentials(insecure.NewCredentials())})
	var found resolver.State
	for _, a := range addrs {
		found.Endpoints = append(found.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	_ = b.UpdateClientConnState(balancer.ClientConnState{ResolverState: found})
	for _, c := range cc.all {
		c.listener(balancer.SubConnState{ConnectivityState: connectivity.Ready})
	}
	return b.Close
}

// BenchmarkLayer is what the kit adds to a call, without grpc-go around it: an
// invoker that does with its context what grpc-go does, and picks.
func BenchmarkLayer(b *testing.B) {
	for _, c := range []struct {
		name           string
		timeout, hedge int64
		load           int32
	}{{"plain", 0, 0, 0}, {"attempt timeout", 250, 0, 0}, {"hedge", 0, 20, 0}, {"hedge by load", 0, 20, 5}, {"both", 250, 20, 0}} {
		b.Run(c.name, func(b *testing.B) {
			table, err := contract.Compile(contract.Sources{Contracts: []*surefootv1.Contract{{
				ServiceName: "bench.v1.Bench",
				Methods: map[string]*surefootv1.MethodContract{"Get": {
					// No deadline of its own: the caller brings one, as in the bench.
					Method: &surefootv1.Method{
						DeadlineMs: new(int64), AttemptTimeoutMs: &c.timeout,
						Hedge: &surefootv1.Hedge{DelayMs: &c.hedge, ExtraLoadPercent: &c.load, MaxHedges: new(int32(c.hedge / 20))},
					},
					IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum(),
				}},
			}}})
			if err != nil {
				b.Fatal(err)
			}
			ch := New(Config{Ordinal: -1, Table: table, Random: func() uint64 { return 0 }})
			defer connect(ch, "a", "b", "c")()
			opts := []grpc.CallOption{grpc.StaticMethod()}
			invoke := func(ctx context.Context, method string, req, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				r, err := picker{ch.fleet.Picker()}.Pick(balancer.PickInfo{Ctx: ctx})
				if err == nil && r.Done != nil {
					r.Done(balancer.DoneInfo{BytesSent: true})
				}
				return err
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			reply := &surefootv1.Method{} // that nobody writes
			b.Run("with", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := ch.unary(ctx, "/bench.v1.Bench/Get", nil, reply, nil, invoke, opts...); err != nil {
							b.Error(status.Code(err) == codes.OK, err)
						}
					}
				})
			})
			b.Run("without", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := invoke(ctx, "/bench.v1.Bench/Get", nil, nil, nil, opts...); err != nil {
							b.Error(err)
						}
					}
				})
			})
		})
	}
}
