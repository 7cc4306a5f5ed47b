package resume

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/wire"
	"github.com/surefoot-rpc/surefoot/policy"
)

// An end is what the end of a stream means.
type end struct {
	err   error
	final bool          // it is not opened again
	now   bool          // it is opened again at once: nothing is wrong
	slow  bool          // after the longest wait: the server asked for no repeat
	after time.Duration // not before this has passed: the server asked for that
}

// reopened are the verdicts of a client of Surefoot's on the last attempt after
// which a stream is opened again. All others are final: what the server has
// answered, what the client refuses by itself, that the caller has left.
var reopened = map[string]bool{
	"unprocessed": true, "lost": true, "timeout": true, "fault": true, "refusal": true, "transient": true, "stopped": true, "relayed": true,
	"aged":    true,
	"expired": true, // the contract's deadline: the caller's was looked at before
	"denied":  true, // the breaker closes again
}

// judge returns what it means that a stream ended with err. stream may be nil.
func judge(ctx context.Context, stream any, err error) end {
	e := judgeOpen(stream, err)
	if ctx.Err() != nil && !e.final { // the caller has left in the same moment, or by that
		e.final = true
		if status.Code(err) != status.FromContextError(ctx.Err()).Code() {
			e.err = left(ctx, err)
		}
	}
	return e
}

// judgeOpen is judge for a caller who has not left.
func judgeOpen(stream any, err error) end {
	e := end{err: err}
	verdict := ""
	if told := (interface{ Verdict() string })(nil); errors.As(err, &told) {
		verdict = told.Verdict()
	}
	if verdict == "" {
		// No attempt was made, or the client is another than Surefoot's. Less is known
		// then: RESOURCE_EXHAUSTED may be a message that is too large, each time.
		code := status.Code(err)
		e.final = code != codes.Unavailable && code != codes.DeadlineExceeded
		return e
	}
	e.final, e.now, e.slow = !reopened[verdict], verdict == "aged", verdict == "stopped" || verdict == "relayed"
	if t, ok := stream.(interface{ Trailer() metadata.MD }); ok && verdict == "refusal" {
		e.after, _, _ = wire.ReadPushback(t.Trailer())
	}
	return e
}

// A patience is how often a stream was opened again for nothing.
type patience struct {
	backoff policy.Backoff
	failed  int
}

// wait returns how long to wait after e.
func (p *patience) wait(e end) time.Duration {
	if e.now {
		return 0
	}
	if e.slow {
		p.failed = max(p.failed, 63) // beyond all that doubles
	}
	d := p.backoff.Delay(p.failed, rand.Uint64()) //nolint:gosec // jitter
	p.failed++
	return max(d, e.after)
}

// sleep waits, and reports whether ctx lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// left is the error of a caller that has left while there was no stream, the last of
// which ended with err.
func left(ctx context.Context, err error) error {
	return status.Errorf(status.FromContextError(ctx.Err()).Code(), "%v while the stream was to be opened again after: %v", ctx.Err(), err)
}
