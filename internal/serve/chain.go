package serve

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/chain"
	"github.com/surefoot-rpc/surefoot/internal/wire"
)

// chainUnary makes a unary call known to the calls that its handler makes, and
// answers for them.
func (s *Server) chainUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if ctx.Err() != nil {
		return nil, refuse(ctx, info.FullMethod)
	}
	call := &chain.Call{Context: ctx}
	reply, err := next(call, req)
	if err != nil {
		answer(call, err)
	}
	return reply, err
}

// chainStream is chainUnary for a streaming call.
func (s *Server) chainStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx := stream.Context()
	if ctx.Err() != nil {
		return refuse(ctx, info.FullMethod)
	}
	served := &servedStream{ServerStream: stream, call: chain.Call{Context: ctx}}
	err := next(srv, served)
	if err != nil {
		answer(&served.call, err)
	}
	return err
}

// A servedStream is a stream whose context is the call.
type servedStream struct {
	grpc.ServerStream
	call chain.Call
}

// Context returns the call.
func (s *servedStream) Context() context.Context { return &s.call }

// refuse ends a call that nobody waits for any more, before its handler runs.
// What it says can only arrive if the two ends do not agree about the time:
// grpc-go resets a stream when its deadline passes.
func refuse(ctx context.Context, method string) error {
	_ = grpc.SetTrailer(ctx, metadata.Pairs(wire.NotExecuted, method)) // an error means that the call is over
	if errors.Is(ctx.Err(), context.Canceled) {
		return status.Error(codes.Canceled, "surefoot: server: the caller gave up before the call was executed")
	}
	return status.Error(codes.DeadlineExceeded, "surefoot: server: the deadline had passed before the call was executed")
}

// answer adds to the answer of a call that failed with err what its caller's
// client must know and the handler's error does not say.
func answer(call *chain.Call, err error) {
	stream := grpc.ServerTransportStreamFromContext(call)
	if stream == nil {
		return
	}
	// Of what the handler has set, grpc-go tells this much.
	var set metadata.MD
	if s, ok := stream.(interface{ Trailer() metadata.MD }); ok {
		set = s.Trailer()
	}
	var add metadata.MD
	if len(set[wire.NotExecuted]) > 0 {
		// Copied from the answer of another server. A second value voids it.
		add = metadata.Pairs(wire.NotExecuted, "")
	}
	if len(set[wire.Pushback]) == 0 && call.ForbidsRepeat(err) {
		add = metadata.Join(add, metadata.Pairs(wire.Pushback, "-1", wire.Relayed, "1"))
	}
	_ = stream.SetTrailer(add) // an error means that the call is over
}
