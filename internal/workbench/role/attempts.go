package role

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// making is a call as its streams see it, by the context of the call.
type making struct {
	planned protocol.Instant // 0 before the run, and for a stream of its caller's own
	streams atomic.Int32     // begun for it
	sent    atomic.Bool      // the headers of one of them have left
}

// makingKey marks the context of a call with its *making.
type makingKey struct{}

// attempts counts the streams that the channel of a client begins: retries by anyone
// and grpc's own transparent ones belong to the call they repeat; streams without a
// call, such as probes, count when they begin. It also notes where they go, and
// which connections end. Safe for concurrent use.
type attempts struct {
	recorder *atomic.Pointer[protocol.Recorder] // holds nil until the run is known
	answered *sync.Map                          // local address of a connection -> name of the server that answered on it last
	spending *spending
}

func newAttempts() attempts {
	return attempts{recorder: &atomic.Pointer[protocol.Recorder]{}, answered: &sync.Map{}, spending: &spending{}}
}

// forClient counts the same for another client.
func (a attempts) forClient() attempts {
	a.spending = &spending{}
	return a
}

// attemptKey marks the context of a stream with its *stream.
type attemptKey struct{}

// stream is one attempt. grpc tells of its events one after the other.
type stream struct{ local string }

// connectionKey marks the context of a connection with its *stats.ConnTagInfo.
type connectionKey struct{}

// HandleRPC counts the beginning of each stream and notes where it goes.
func (a attempts) HandleRPC(ctx context.Context, event stats.RPCStats) {
	call, ofCall := ctx.Value(makingKey{}).(*making)
	switch event := event.(type) {
	case *stats.Begin:
		now := protocol.Now()
		if !ofCall || call.streams.Add(1) > 1 {
			a.spending.add(now)
		}
		planned := now
		if ofCall && call.planned != 0 {
			planned = call.planned
		}
		if recorder := a.recorder.Load(); recorder != nil {
			recorder.Attempt(planned)
		}
	case *stats.OutHeader:
		if ofCall {
			call.sent.Store(true)
		}
		if event.LocalAddr != nil {
			if s, known := ctx.Value(attemptKey{}).(*stream); known {
				s.local = event.LocalAddr.String()
			}
		}
		if recorder := a.recorder.Load(); recorder != nil && event.RemoteAddr != nil {
			recorder.Stream(host(event.RemoteAddr))
		}
	case *stats.InPayload:
		reply, named := event.Payload.(interface{ GetServer() string })
		if s, known := ctx.Value(attemptKey{}).(*stream); named && known && s.local != "" {
			a.answered.Store(s.local, reply.GetServer())
		}
	}
}

// TagRPC gives the stream a place for what is known of it.
func (a attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, attemptKey{}, &stream{})
}

// TagConn keeps the addresses of the connection.
func (a attempts) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connectionKey{}, info)
}

// HandleConn notes the end of a connection.
func (a attempts) HandleConn(ctx context.Context, event stats.ConnStats) {
	info, known := ctx.Value(connectionKey{}).(*stats.ConnTagInfo)
	if _, ends := event.(*stats.ConnEnd); !ends || !known {
		return
	}
	name, _ := a.answered.LoadAndDelete(info.LocalAddr.String())
	server, _ := name.(string) // "" when nobody answered
	if recorder := a.recorder.Load(); recorder != nil {
		recorder.Ended(host(info.RemoteAddr), server)
	}
}

// host is the address without its port.
func host(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().String()
	}
	return a.String()
}
