package resume

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/surefoot-rpc/surefoot/internal/series"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Messages returns the messages of a server stream, each once and in the order
// of the server, for as long as ctx lasts. open is the method of a stub; req is
// what the first stream is asked for, and is copied. The iterator is used by one
// goroutine at a time, and each loop over it begins with req.
//
// The contract of the method names the cursor (stream.resume). When a stream ends
// for want of a connection, an answer or time, at its maximum age, or because
// the server is unavailable or refuses it for now, the next one is asked for
// what comes after the last message that was delivered. What the server sends
// again all the same is left out: messages behind that one, and as many with the
// same cursor as were delivered. A cursor that is a string or bytes has no
// order: only messages with the same one are left out.
//
// The iterator ends without an error if the server ends a stream with OK: it
// has no more. It ends with an error, as its last element, if the server says
// anything else that another stream would not change (NOT_FOUND, OUT_OF_RANGE
// …), if the contract names no cursor, and with CANCELLED or DEADLINE_EXCEEDED
// if ctx is done. A loop that is left ends the stream.
func Messages[Req, Msg proto.Message, S Receiver[Msg]](ctx context.Context, open func(context.Context, Req, ...grpc.CallOption) (S, error), req Req, opts ...Option) iter.Seq2[Msg, error] {
	return messages(ctx, open, proto.CloneOf(req), ofContract[Req, Msg], opts)
}

// A Cursor is a number or a text.
type Cursor interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~string
}

// MessagesBy is [Messages] for a method whose contract names no cursor, and for
// open functions of the caller's. at returns the cursor of a message, or the
// zero value for a message that has none; after returns the request for the
// messages that come after the one with this cursor.
func MessagesBy[Req, Msg any, C Cursor, S Receiver[Msg]](ctx context.Context, open func(context.Context, Req, ...grpc.CallOption) (S, error), req Req, at func(Msg) C, after func(C) Req, opts ...Option) iter.Seq2[Msg, error] {
	by := cursor[Req, Msg]{
		at: func(m Msg) position { return positionBy(at(m)) },
		after: func(_ Req, p position) Req {
			c, _ := p.cursor.(C) // which positionBy made it
			return after(c)
		},
	}
	return messages(ctx, open, req, func(*series.Series) (cursor[Req, Msg], error) { return by, nil }, opts)
}

func positionBy[C Cursor](c C) position {
	v := reflect.ValueOf(c)
	p := position{set: !v.IsZero(), cursor: c}
	switch {
	case !p.set:
	case v.CanInt():
		p.number, p.rank = true, ranked(v.Int())
	case v.CanUint():
		p.number, p.rank = true, v.Uint()
	default:
		p.text = v.String()
	}
	return p
}

// A resumed is one loop over the messages of a stream.
type resumed[Req, Msg any, S Receiver[Msg]] struct {
	open    func(context.Context, Req, ...grpc.CallOption) (S, error)
	request Req // the first one
	find    func(*series.Series) (cursor[Req, Msg], error)
	options options

	series   series.Series
	cursor   cursor[Req, Msg] // once a stream was opened
	found    bool
	last     position // of what was delivered
	count    int      // delivered with that one
	patience patience
}

func messages[Req, Msg any, S Receiver[Msg]](ctx context.Context, open func(context.Context, Req, ...grpc.CallOption) (S, error), req Req, find func(*series.Series) (cursor[Req, Msg], error), opts []Option) iter.Seq2[Msg, error] {
	o := optionsOf(opts, policy.Backoff{Base: 100 * time.Millisecond, Max: 10 * time.Second})
	return func(yield func(Msg, error) bool) {
		r := &resumed[Req, Msg, S]{open: open, request: req, find: find, options: o, patience: patience{backoff: o.backoff}}
		var none Msg
		for {
			e, more := r.stream(ctx, yield)
			switch {
			case !more || errors.Is(e.err, io.EOF):
				return
			case e.final:
				yield(none, e.err)
				return
			}
			wait := r.patience.wait(e)
			o.reopening(e.err, wait)
			if !sleep(ctx, wait) {
				yield(none, left(ctx, e.err))
				return
			}
		}
	}
}

// stream opens one stream and delivers what is new of it. more is false if the
// loop was left.
func (r *resumed[Req, Msg, S]) stream(ctx context.Context, yield func(Msg, error) bool) (e end, more bool) {
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a stream that is not read to its end would leak
	req := r.request
	if r.last.set {
		req = r.cursor.after(req, r.last)
	}
	s, err := r.open(ctx, req, append(slices.Clip(r.options.call), &r.series)...)
	if err != nil {
		return judge(caller, nil, err), true
	}
	if !r.found {
		if r.cursor, err = r.find(&r.series); err != nil {
			return end{err: err, final: true}, true
		}
		r.found = true
	}
	seen := 0 // with the last cursor, in this stream
	again := true
	for {
		m, err := s.Recv()
		if err != nil {
			return judge(caller, s, err), true
		}
		at := r.cursor.at(m)
		switch {
		case again && at.same(r.last) && seen < r.count:
			seen++
			continue
		case again && at.behind(r.last):
			continue
		case at.same(r.last):
			r.count++
			seen++
		case at.set && !at.behind(r.last):
			again, r.last, r.count = false, at, 1
		}
		r.patience.failed = 0
		if !yield(m, nil) {
			return end{}, false
		}
	}
}
