package channel

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/surefoot-rpc/surefoot/call"
	"github.com/surefoot-rpc/surefoot/internal/wire"
	"github.com/surefoot-rpc/surefoot/policy"
)

// userOptions are the call options that must act once per call although the
// call makes several attempts. grpc-go would fill and fire them per attempt.
type userOptions struct {
	headers  []*metadata.MD
	trailers []*metadata.MD
	peers    []*peer.Peer
	finish   []func(error)
	key      string

	header  metadata.MD
	trailer metadata.MD
	peer    peer.Peer
}

// takeOptions returns the options that every attempt gets, what was taken out
// of opts to act once, nil if nothing was, and p narrowed by what opts say. Most
// calls have none of these: then opts and p are returned as they are. waits says that
// opts tell grpc-go how to wait for an endpoint.
func takeOptions(opts []grpc.CallOption, p *policy.Method) (_ []grpc.CallOption, _ *userOptions, _ *policy.Method, waits bool) {
	special := false
	for _, o := range opts {
		switch o.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption, grpc.OnFinishCallOption, call.Option:
			special = true
		case grpc.FailFastCallOption:
			waits = true
		}
	}
	if !special {
		return opts, nil, p, waits
	}
	u := &userOptions{}
	rest := make([]grpc.CallOption, 0, len(opts)+3)
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			u.headers = append(u.headers, o.HeaderAddr)
		case grpc.TrailerCallOption:
			u.trailers = append(u.trailers, o.TrailerAddr)
		case grpc.PeerCallOption:
			u.peers = append(u.peers, o.PeerAddr)
		case grpc.OnFinishCallOption:
			u.finish = append(u.finish, o.OnFinish)
		case call.Option:
			if key := o.IdempotencyKey(); key != "" {
				u.key = key
				continue
			}
			narrowed := call.Apply(*p, o)
			p = &narrowed
		default:
			rest = append(rest, o)
		}
	}
	if len(u.headers) > 0 {
		rest = append(rest, grpc.Header(&u.header))
	}
	if len(u.trailers) > 0 {
		rest = append(rest, grpc.Trailer(&u.trailer))
	}
	if len(u.peers) > 0 {
		rest = append(rest, grpc.Peer(&u.peer))
	}
	return rest, u, p, waits
}

// beside returns what an attempt gets that runs beside the one that has opts,
// as takeOptions returned them, and where that is told of what the user asked for.
func (u *userOptions) beside(opts []grpc.CallOption) ([]grpc.CallOption, *userOptions) {
	if u == nil {
		return opts, nil
	}
	own := &userOptions{headers: u.headers, trailers: u.trailers, peers: u.peers, finish: u.finish}
	rest := make([]grpc.CallOption, len(opts))
	for i, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			rest[i] = grpc.Header(&own.header)
		case grpc.TrailerCallOption:
			rest[i] = grpc.Trailer(&own.trailer)
		case grpc.PeerCallOption:
			rest[i] = grpc.Peer(&own.peer)
		default:
			rest[i] = o
		}
	}
	return rest, own
}

// reset forgets what an attempt that is not the last has filled in.
func (u *userOptions) reset() {
	if u != nil {
		u.header, u.trailer, u.peer = nil, nil, peer.Peer{}
	}
}

// deliver hands the last attempt's values to the user.
func (u *userOptions) deliver() {
	if u == nil {
		return
	}
	for _, h := range u.headers {
		*h = u.header
	}
	for _, t := range u.trailers {
		*t = wire.HideOwn(u.trailer)
	}
	for _, p := range u.peers {
		if u.peer.Addr != nil {
			*p = u.peer
		}
	}
}

// finished says that the call is over.
func (u *userOptions) finished(err error) {
	if u == nil {
		return
	}
	for _, f := range u.finish {
		f(err)
	}
}
