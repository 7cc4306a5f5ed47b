// Package slogobserve writes what Surefoot does to a log/slog logger.
//
// Nothing of a request, a reply or their metadata is written; of an error, its
// code and its message are. Each kind of line is written at most 10 times in a second; the next
// one that is written says how many were suppressed.
package slogobserve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/observe"
)

// New returns an observer that writes to l, or to [slog.Default] as it is at
// the time of a line if l is nil:
//
//   - WARN: failed calls, with what each attempt met; calls that a breaker
//     denied; breakers that opened; failed look-ups of names; a file of overrides
//     that is awaited, or that leaves methods alone which it matches.
//   - INFO: endpoints that became ready, failed or went away; breakers that
//     closed; what the dry run of a breaker would have denied.
//   - INFO: overrides of an operator that are in use from now on.
//   - ERROR: problems that need a person, such as overrides that are refused.
//   - DEBUG: attempts, look-ups, other changes of endpoints and breakers, and the calls that
//     failed for their caller alone: the server answered them with an error such
//     as NOT_FOUND, or the caller gave them up.
//
// A line that the logger's level would drop costs one comparison. All hooks of
// the observer may be called from any goroutine.
func New(l *slog.Logger) *observe.Observer {
	w := &writer{log: l, limits: make(map[string]*limit)}
	for _, kind := range []string{callFailed, callDenied, lookupFailed, endpointChanged, breakerChanged, problem} {
		w.limits[kind] = new(limit)
	}
	return &observe.Observer{
		AttemptDone: w.attemptDone,
		CallDone:    w.callDone,
		Endpoint:    w.endpoint,
		Breaker:     w.breaker,
		Discovery:   w.discovery,
		Override:    w.override,
		Problem:     w.problem,
	}
}

// The kinds of lines that are limited, each by the message that it begins with.
const (
	callFailed      = "surefoot: call failed"
	callDenied      = "surefoot: call denied"
	lookupFailed    = "surefoot: look-up failed, the last good answer stays in use"
	endpointChanged = "surefoot: endpoint changed"
	breakerChanged  = "surefoot: breaker changed"
	problem         = "surefoot: problem"
)

// writer is what the hooks of one observer share.
type writer struct {
	log    *slog.Logger
	limits map[string]*limit // by kind; never written after New
}

// write writes a line if its level is enabled and, for a limited kind above
// DEBUG, its limit admits it. Only then are the attributes made.
func (w *writer) write(ctx context.Context, level slog.Level, message string, attrs func() []slog.Attr) {
	log := w.log
	if log == nil {
		log = slog.Default()
	}
	if !log.Enabled(ctx, level) {
		return
	}
	var suppressed int
	if limit, limited := w.limits[message]; limited && level > slog.LevelDebug {
		var ok bool
		if suppressed, ok = limit.admit(time.Now()); !ok {
			return
		}
	}
	line := attrs()
	if suppressed > 0 {
		line = append(line, slog.Int("suppressed", suppressed))
	}
	log.LogAttrs(ctx, level, message, line...)
}

func (w *writer) attemptDone(ctx context.Context, method string, a observe.Attempt) {
	w.write(ctx, slog.LevelDebug, "surefoot: attempt", func() []slog.Attr {
		return []slog.Attr{
			slog.String("method", method),
			slog.Int("number", a.Number),
			slog.String("endpoint", a.Endpoint),
			slog.Duration("duration", a.Duration),
			slog.String("code", codes.Code(a.Code).String()),
			slog.String("verdict", a.Verdict),
			slog.String("next", a.Next),
		}
	})
}

func (w *writer) callDone(ctx context.Context, c observe.Call) {
	if c.Denial != nil {
		w.denied(ctx, c)
	}
	if c.Err == nil || c.Denial != nil && !c.Denial.DryRun {
		return
	}
	level := slog.LevelWarn
	switch c.Verdict {
	case "answer", "abandoned":
		level = slog.LevelDebug
	}
	w.write(ctx, level, callFailed, func() []slog.Attr {
		// The status's own message: the error's text may tell the story too.
		st := status.Convert(c.Err)
		attrs := []slog.Attr{
			slog.String("method", c.Method),
			slog.String("target", c.Target),
			slog.Duration("duration", c.Duration),
			slog.String("code", st.Code().String()),
			slog.String("error", st.Message()),
			slog.Int("attempts", len(c.Attempts)+c.Omitted),
			slog.String("story", story(c.Attempts, c.Omitted)),
		}
		if c.MayHaveBeenApplied {
			attrs = append(attrs, slog.Bool("may_have_been_applied", true))
		}
		return attrs
	})
}

// denied writes that a breaker denied a call, or would have.
func (w *writer) denied(ctx context.Context, c observe.Call) {
	level := slog.LevelWarn
	if c.Denial.DryRun {
		level = slog.LevelInfo
	}
	w.write(ctx, level, callDenied, func() []slog.Attr {
		attrs := []slog.Attr{
			slog.String("method", c.Method),
			slog.String("target", c.Target),
			slog.String("reason", c.Denial.Reason),
		}
		if c.Denial.Why != "" {
			attrs = append(attrs, slog.String("why", c.Denial.Why))
		}
		if c.Denial.Wait > 0 {
			attrs = append(attrs, slog.Duration("wait", c.Denial.Wait))
		}
		if c.Denial.DryRun {
			attrs = append(attrs, slog.Bool("dry_run", true))
		}
		return attrs
	})
}

// story tells what each attempt met and what was done then. In the middle some
// are omitted.
func story(attempts []observe.Attempt, omitted int) string {
	var b strings.Builder
	for i, a := range attempts {
		if i == len(attempts)/2 && omitted > 0 {
			fmt.Fprintf(&b, "; %d more", omitted)
		}
		if i > 0 {
			b.WriteString("; ")
		}
		endpoint := a.Endpoint
		if endpoint == "" {
			endpoint = "no endpoint"
		}
		fmt.Fprintf(&b, "#%d %s: %v (%s) after %v", a.Number, endpoint, codes.Code(a.Code), a.Verdict, a.Duration.Round(10*time.Microsecond))
		if a.Next != "" {
			b.WriteString(" -> " + a.Next)
		}
	}
	return b.String()
}

func (w *writer) endpoint(e observe.EndpointChange) {
	level := slog.LevelInfo
	if e.To == "idle" || e.To == "connecting" {
		level = slog.LevelDebug
	}
	w.write(context.Background(), level, endpointChanged, func() []slog.Attr {
		attrs := []slog.Attr{
			slog.String("target", e.Target),
			slog.String("endpoint", e.Endpoint),
			slog.String("from", e.From),
			slog.String("to", e.To),
		}
		if e.Why != "" {
			attrs = append(attrs, slog.String("why", e.Why))
		}
		return withError(attrs, e.Err)
	})
}

func (w *writer) breaker(b observe.BreakerChange) {
	level := slog.LevelDebug
	switch b.To {
	case "open":
		level = slog.LevelWarn
	case "closed":
		level = slog.LevelInfo
	}
	w.write(context.Background(), level, breakerChanged, func() []slog.Attr {
		attrs := []slog.Attr{
			slog.String("method", b.Method),
			slog.String("target", b.Target),
			slog.String("from", b.From),
			slog.String("to", b.To),
			slog.String("why", b.Why),
		}
		if b.Group != "" {
			attrs = append(attrs, slog.String("group", b.Group))
		}
		if b.For > 0 {
			attrs = append(attrs, slog.Duration("for", b.For))
		}
		if b.DryRun {
			attrs = append(attrs, slog.Bool("dry_run", true))
		}
		return attrs
	})
}

func (w *writer) discovery(d observe.Discovery) {
	level, message := slog.LevelDebug, "surefoot: look-up"
	if d.Err != nil {
		level, message = slog.LevelWarn, lookupFailed
	}
	w.write(context.Background(), level, message, func() []slog.Attr {
		attrs := []slog.Attr{
			slog.String("target", d.Target),
			slog.String("host", d.Host),
			slog.Int("endpoints", d.Endpoints),
			slog.Duration("ttl", d.TTL),
		}
		return withError(attrs, d.Err)
	})
}

func (w *writer) override(o observe.Override) {
	level, message := slog.LevelInfo, "surefoot: overrides in use"
	switch {
	case o.Refused && o.InUse == 0 && errors.Is(o.Err, fs.ErrNotExist):
		level, message = slog.LevelWarn, "surefoot: there is no file of overrides, it is awaited"
	case o.Refused:
		level, message = slog.LevelError, "surefoot: overrides refused, those of before stay in use"
	case o.Err != nil:
		level, message = slog.LevelWarn, "surefoot: overrides in use, but not for every method"
	}
	w.write(context.Background(), level, message, func() []slog.Attr {
		return withError([]slog.Attr{
			slog.String("target", o.Target),
			slog.String("file", o.File),
			slog.Int("in_use", o.InUse),
		}, o.Err)
	})
}

func (w *writer) problem(err error) {
	w.write(context.Background(), slog.LevelError, problem, func() []slog.Attr {
		return withError(nil, err)
	})
}

// withError appends the text of err, unless it is nil.
func withError(attrs []slog.Attr, err error) []slog.Attr {
	if err == nil {
		return attrs
	}
	return append(attrs, slog.String("error", err.Error()))
}
