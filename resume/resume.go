// Package resume goes on where a stream has broken.
//
// [Messages] is a server stream that outlives its streams: when one ends for
// another reason than that the server has no more, it is opened again, on
// another server if there is one, from the message after the last one that was
// delivered. [Keepalive] holds a lease over a bidirectional stream in the same
// way. Both work on any generated stub; with a client of Surefoot's they know
// the contract of the method, and do not return to the server that failed.
//
//	for m, err := range resume.Messages(ctx, stub.Watch, &inventoryv1.WatchRequest{Sku: "bolt"}) {
//		if err != nil {
//			return err
//		}
//		use(m)
//	}
package resume

import (
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/policy"
)

// A Receiver is what a stub returns for a server stream.
type Receiver[Msg any] interface {
	Recv() (Msg, error)
}

// A Sender is what a stub returns for a bidirectional stream.
type Sender[Req, Res any] interface {
	Send(m Req) error
	Recv() (Res, error)
}

// A Reopening is why a stream is opened again, and when.
type Reopening struct {
	// Err is what the last stream ended with, io.EOF if the server has ended it.
	Err error
	// Wait is how long it takes until the next one is opened.
	Wait time.Duration
}

// An Option changes how streams are opened again.
type Option func(*options)

type options struct {
	call     []grpc.CallOption
	backoff  policy.Backoff
	waits    bool // backoff is the caller's
	reopens  func(Reopening)
	ttl      time.Duration // of a lease that is held already
	interval time.Duration // between its renewals
}

// CallOptions are passed to each stream that is opened.
func CallOptions(opts ...grpc.CallOption) Option {
	return func(o *options) { o.call = append(o.call, opts...) }
}

// Backoff replaces the waits between streams that deliver nothing: the n-th is
// random between 0 and min(limit, base * 2^n). Without it they are 100 ms and
// 10 s; for [Keepalive], 25 ms and a quarter of its interval.
func Backoff(base, limit time.Duration) Option {
	return func(o *options) {
		o.backoff, o.waits = policy.Backoff{Base: max(base, 0), Max: max(base, limit, 0)}, true
	}
}

// OnReopen has f called before each wait for another stream, on the goroutine
// that waits.
func OnReopen(f func(Reopening)) Option {
	return func(o *options) { o.reopens = f }
}

// TTL says for how long a lease holds when [Keepalive] begins, because it was
// taken just before. Without it, the first answer says how long.
func TTL(ttl time.Duration) Option {
	return func(o *options) { o.ttl = max(ttl, 0) }
}

// Interval replaces the time between two renewals of a lease, which is a third
// of its TTL otherwise.
func Interval(d time.Duration) Option {
	return func(o *options) { o.interval = max(d, 0) }
}

func optionsOf(opts []Option, backoff policy.Backoff) options {
	o := options{backoff: backoff}
	for _, set := range opts {
		if set != nil {
			set(&o)
		}
	}
	return o
}

func (o *options) reopening(err error, wait time.Duration) {
	if o.reopens != nil {
		o.reopens(Reopening{Err: err, Wait: wait})
	}
}
