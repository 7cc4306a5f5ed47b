package fleet

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
)

// probeMethod is what a suspected peer is asked. Any answer proves life, also
// that it does not know the method.
const probeMethod = "/grpc.health.v1.Health/Check"

// patienceOfProbe is how many probe timeouts a probe is kept for, so that an
// answer that comes late is still read.
const patienceOfProbe = 4

// probe asks the peer of e for a sign of life, on that connection alone. mu is
// held. The goroutine ends with the probe's deadline at the latest.
func (b *fleetBalancer) probe(e *Endpoint, wire *socket.Connection, number uint64) {
	timeout := patienceOfProbe * b.fleet.cfg.Policy.Connection.Liveness.ProbeTimeout
	stub, release := e.conn.GetOrBuildProducer(proberBuilder{})
	go func() {
		defer release()
		defer wire.Life.ProbeOver(number)
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		_ = stub.(*prober).ask(ctx, func() { wire.Life.ProbeSent(number) }) //nolint:forcetypeassert // what it was built as
	}()
}

// proberBuilder builds what makes RPCs on one sub-connection.
type proberBuilder struct{}

// Build is called by grpc-go, once for each sub-connection that is probed.
func (proberBuilder) Build(cc any) (p balancer.Producer, closed func()) {
	conn, _ := cc.(grpc.ClientConnInterface)
	return &prober{conn}, func() {}
}

type prober struct{ conn grpc.ClientConnInterface }

// ask makes one call. It says when the call has a stream: before that, it waits
// for the peer's limit of streams, which says nothing about its life.
func (p *prober) ask(ctx context.Context, sent func()) error {
	stream, err := p.conn.NewStream(ctx, &grpc.StreamDesc{}, probeMethod)
	if err != nil {
		return err
	}
	sent()
	var request, reply emptypb.Empty
	if err := stream.SendMsg(&request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(&reply)
}
