package resume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/series"
	"github.com/surefoot-rpc/surefoot/policy"
)

// A LostError says that a lease is lost: it was not renewed in time, or the
// server says that it has expired.
type LostError struct {
	// Expired is when it ended, as far as the client can tell: its time counts
	// from when the last renewal that was answered was sent.
	Expired time.Time
	// Err is what the last stream ended with, nil if the server says that the
	// lease has expired.
	Err error
}

// Error returns when the lease was lost, and why.
func (e *LostError) Error() string {
	if e.Err == nil {
		return "surefoot: the lease is lost: the server says that it has expired"
	}
	return fmt.Sprintf("surefoot: the lease is lost: no renewal was answered before %v: %v", e.Expired.Format(time.RFC3339Nano), e.Err)
}

// Unwrap returns what the last stream ended with.
func (e *LostError) Unwrap() error { return e.Err }

// errUnanswered is what a stream ended with that was given up.
var errUnanswered = errors.New("a renewal was not answered in time")

// firstAnswer is how long the first answer may take, while nobody knows how
// long the lease holds.
const firstAnswer = 5 * time.Second

// triesPerInterval is how often a renewal may be tried, on one server after the
// other, in the time between two.
const triesPerInterval = 2

// Keepalive holds a lease: it sends renewal over a bidirectional stream, at once
// and then three times per TTL, and opens the stream again, on another server if
// there is one, when it ends or when an answer is overdue by half of that time.
// open is the method of a stub. ttl is called with each answer, on the goroutine
// of Keepalive, and returns for how long the lease holds, 0 or less if it has
// expired.
//
// Keepalive blocks. It returns ctx's error when ctx is done, and then the lease
// holds for the rest of its TTL; a [*LostError] when the lease is lost, at once;
// and the server's error if it is one that another stream would not change. It
// starts no goroutine. A renewal may reach a server twice, so that it must be
// idempotent.
func Keepalive[Req, Res any, S Sender[Req, Res]](ctx context.Context, open func(context.Context, ...grpc.CallOption) (S, error), renewal Req, ttl func(Res) time.Duration, opts ...Option) error {
	o := optionsOf(opts, policy.Backoff{})
	k := &keeper[Req, Res, S]{open: open, renewal: renewal, ttl: ttl, options: o}
	if o.ttl > 0 {
		k.holds(time.Now(), o.ttl)
	}
	for {
		e := k.stream(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case e.final:
			return e.err
		case k.lost():
			return &LostError{Expired: k.until, Err: e.err}
		}
		wait := k.patience().wait(e)
		if !k.until.IsZero() { // to find that it is lost when it is
			wait = min(wait, time.Until(k.until))
		}
		o.reopening(e.err, wait)
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		if k.lost() {
			return &LostError{Expired: k.until, Err: e.err}
		}
	}
}

// A keeper holds one lease.
type keeper[Req, Res any, S Sender[Req, Res]] struct {
	open    func(context.Context, ...grpc.CallOption) (S, error)
	renewal Req
	ttl     func(Res) time.Duration
	options options

	series   series.Series
	until    time.Time     // when the lease ends; zero is unknown
	interval time.Duration // between renewals
	failed   int           // streams in a row without an answer
}

// holds says that the lease holds for ttl from sent on.
func (k *keeper[Req, Res, S]) holds(sent time.Time, ttl time.Duration) {
	k.until, k.failed = sent.Add(ttl), 0
	k.interval = k.options.interval
	if k.interval == 0 {
		k.interval = ttl / 3
	}
}

func (k *keeper[Req, Res, S]) lost() bool { return !k.until.IsZero() && !time.Now().Before(k.until) }

// patience returns the waits between streams.
func (k *keeper[Req, Res, S]) patience() *patience {
	b := k.options.backoff
	if !k.options.waits {
		b = policy.Backoff{Base: 25 * time.Millisecond, Max: max(k.overdue()/2, 25*time.Millisecond)}
	}
	k.failed++
	return &patience{backoff: b, failed: k.failed - 1}
}

// overdue returns how long an answer may take: no longer than the lease lasts,
// so that its loss is told when it happens.
func (k *keeper[Req, Res, S]) overdue() time.Duration {
	if k.until.IsZero() {
		return firstAnswer
	}
	return max(min(k.interval/triesPerInterval, time.Until(k.until)), 1)
}

// stream renews the lease over one stream until that ends.
func (k *keeper[Req, Res, S]) stream(caller context.Context) end {
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	overdue := time.AfterFunc(k.overdue(), cancel)
	defer overdue.Stop()
	s, err := k.open(ctx, append(slices.Clip(k.options.call), &k.series)...)
	if err != nil {
		return k.judge(caller, ctx, nil, err)
	}
	for {
		sent := time.Now()
		err := s.Send(k.renewal)
		var res Res
		if err == nil || errors.Is(err, io.EOF) { // EOF is that Recv knows why
			res, err = s.Recv()
		}
		if err != nil {
			return k.judge(caller, ctx, s, err)
		}
		overdue.Stop()
		ttl := k.ttl(res)
		if ttl <= 0 {
			return end{err: &LostError{Expired: time.Now()}, final: true}
		}
		k.holds(sent, ttl)
		if !sleep(ctx, time.Until(sent.Add(k.interval))) {
			return end{err: errUnanswered}
		}
		overdue.Reset(k.overdue())
	}
}

// judge returns what it means that a stream ended with err. ctx is the
// stream's: if that alone is done, an answer was overdue.
func (k *keeper[Req, Res, S]) judge(caller, ctx context.Context, s any, err error) end {
	switch {
	case errors.Is(err, io.EOF): // the server has ended the stream, but not the lease
		return end{err: err}
	case ctx.Err() != nil && caller.Err() == nil:
		k.series.Ask()
		return end{err: errUnanswered}
	default:
		return judge(caller, s, err)
	}
}
