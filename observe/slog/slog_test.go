package slogobserve_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/observe"
	slogobserve "github.com/surefoot-rpc/surefoot/observe/slog"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// logged returns what f makes an observer write at the given level.
func logged(level slog.Level, f func(*observe.Observer)) string {
	var out bytes.Buffer
	f(slogobserve.New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))))
	return out.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("wrote\n%s\nwant\n%s\nIf that is meant: go test ./observe/slog -update", got, want)
	}
}

// told is an error that tells a story, as the client's errors do.
type told struct{ error }

func (t told) Error() string              { return t.error.Error() + " [and what was tried]" }
func (t told) GRPCStatus() *status.Status { return status.Convert(t.error) }

// everything has each hook called in each way that makes a difference.
func everything(o *observe.Observer) {
	const target, method = "dns:///inventory:8443", "/inventory.v1.Inventory/Get"
	ctx := context.Background()
	unreachable := errors.New("connection refused")
	lost := observe.Attempt{
		Number: 1, Endpoint: "10.0.0.1:8443", Duration: 12 * time.Millisecond,
		Code: uint32(codes.Unavailable), Verdict: "lost", Next: "attempt: another endpoint",
	}
	late := observe.Attempt{
		Number: 2, Endpoint: "10.0.0.2:8443", Duration: 250 * time.Millisecond,
		Code: uint32(codes.DeadlineExceeded), Verdict: "timeout", Next: "done: retry budget exhausted",
	}
	o.AttemptDone(ctx, method, lost)
	o.AttemptDone(ctx, method, late)
	o.CallDone(ctx, observe.Call{
		Method: method, Target: target, Duration: 262 * time.Millisecond,
		Err: told{status.Error(codes.DeadlineExceeded, "context deadline exceeded")}, Attempts: []observe.Attempt{lost, late}, Verdict: "timeout", MayHaveBeenApplied: true,
	})
	o.CallDone(ctx, observe.Call{
		Method: method, Target: target, Duration: time.Second, Err: errors.New("no endpoint is ready"),
		Attempts: []observe.Attempt{{Number: 1, Duration: time.Second, Code: uint32(codes.Unavailable), Verdict: "unprocessed"}}, Verdict: "unprocessed",
	})
	o.CallDone(ctx, observe.Call{
		Method: method, Target: target, Duration: time.Millisecond, Err: status.Error(codes.NotFound, "no such item"),
		Attempts: []observe.Attempt{{Number: 1, Endpoint: "10.0.0.1:8443", Code: uint32(codes.NotFound), Verdict: "answer", Next: "done: answer"}}, Verdict: "answer",
	})
	o.CallDone(ctx, observe.Call{ // a hedge began last and lost; the first attempt ended the call
		Method: method, Target: target, Duration: time.Second, Err: status.Error(codes.DeadlineExceeded, "context deadline exceeded"),
		Attempts: []observe.Attempt{
			{Number: 1, Endpoint: "10.0.0.1:8443", Duration: time.Second, Code: uint32(codes.DeadlineExceeded), Verdict: "expired", Next: "final"},
			{Number: 2, Endpoint: "10.0.0.2:8443", Duration: time.Millisecond, Code: uint32(codes.Canceled), Verdict: "abandoned", Next: "another attempt ended the call"},
		}, Verdict: "expired",
	})
	o.CallDone(ctx, observe.Call{
		Method: method, Target: target, Duration: time.Minute, Err: status.Error(codes.DeadlineExceeded, "context deadline exceeded"),
		Attempts: []observe.Attempt{lost, late}, Omitted: 98, Verdict: "timeout",
	})
	o.CallDone(ctx, observe.Call{Method: method, Target: target})
	for _, e := range []observe.EndpointChange{
		{To: "idle"},
		{From: "idle", To: "connecting"},
		{From: "connecting", To: "ready"},
		{From: "ready", To: "transient_failure", Err: unreachable},
		{From: "transient_failure", To: "gone"},
		{From: "in", To: "ejected", Why: "5 failures in a row"},
	} {
		e.Target, e.Endpoint = target, "10.0.0.1:8443"
		o.Endpoint(e)
	}
	open := &observe.Denial{Reason: "circuit open", Why: "20 of 24 calls failed", Wait: 1800 * time.Millisecond}
	dry := &observe.Denial{Reason: "throttled", DryRun: true}
	o.CallDone(ctx, observe.Call{Method: method, Target: target, Denial: open, Err: status.Error(codes.Unavailable, "surefoot: not called")})
	o.CallDone(ctx, observe.Call{Method: method, Target: target, Denial: dry})
	o.CallDone(ctx, observe.Call{Method: method, Target: target, Denial: dry, Err: status.Error(codes.ResourceExhausted, "too much")})
	for _, b := range []observe.BreakerChange{
		{From: "closed", To: "open", Why: "20 of 24 calls failed", For: 4 * time.Second},
		{From: "open", To: "half-open", Why: "its time is over"},
		{From: "half-open", To: "closed", Why: "3 trials succeeded"},
		{From: "closed", To: "open", Why: "20 of 24 calls failed", For: 4 * time.Second, DryRun: true},
		{Group: "shard-7", From: "closed", To: "open", Why: "20 of 24 calls failed", For: 4 * time.Second},
	} {
		b.Target, b.Method = target, method
		o.Breaker(b)
	}
	o.Discovery(observe.Discovery{Target: target, Host: "inventory", Endpoints: 10, TTL: 5 * time.Second})
	o.Discovery(observe.Discovery{Target: target, Host: "inventory", Endpoints: 10, Err: errors.New("SERVFAIL")})
	o.Override(observe.Override{Target: target, File: "/etc/surefoot/overrides.yaml", InUse: 2})
	o.Override(observe.Override{Target: target, File: "/etc/surefoot/overrides.yaml", InUse: 2, Refused: true, Err: errors.New("overrides.yaml:3:5: no")})
	o.Override(observe.Override{Target: target, File: "/etc/surefoot/overrides.yaml", InUse: 2, Err: errors.New("overrides.yaml:3:5: not for Get")})
	gone := &fs.PathError{Op: "open", Path: "/etc/surefoot/overrides.yaml", Err: fs.ErrNotExist}
	o.Override(observe.Override{Target: target, File: "/etc/surefoot/overrides.yaml", Refused: true, Err: gone})
	o.Override(observe.Override{Target: target, File: "/etc/surefoot/overrides.yaml", InUse: 2, Refused: true, Err: gone})
	o.Problem(errors.New("a handler panicked"))
}

func TestLines(t *testing.T) {
	for name, level := range map[string]slog.Level{"debug.golden": slog.LevelDebug, "info.golden": slog.LevelInfo} {
		t.Run(name, func(t *testing.T) { golden(t, name, logged(level, everything)) })
	}
}

func TestFailuresAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := logged(slog.LevelInfo, func(o *observe.Observer) {
			fail := func() { o.CallDone(t.Context(), observe.Call{Err: errors.New("no")}) }
			for range 25 {
				fail()
			}
			o.Problem(errors.New("of another kind"))
			<-time.After(999 * time.Millisecond)
			fail()
			<-time.After(time.Millisecond)
			fail()
			fail()
		})
		want := strings.Repeat("-", 10) + "P" + "16-"
		var short strings.Builder
		for line := range strings.Lines(got) {
			_, n, suppressed := strings.Cut(strings.TrimSpace(line), "suppressed=")
			switch {
			case strings.Contains(line, "problem"):
				short.WriteString("P")
			case suppressed:
				short.WriteString(n)
			default:
				short.WriteString("-")
			}
		}
		if short.String() != want {
			t.Errorf("got %s, want %s, from\n%s", short.String(), want, got)
		}
	})
}

// What failed for its caller alone is told to those who debug, all of it.
func TestWhatIsForDebuggingIsNotLimited(t *testing.T) {
	for _, verdict := range []string{"answer", "abandoned"} {
		fail := func(o *observe.Observer) {
			for range 25 {
				o.CallDone(t.Context(), observe.Call{Err: errors.New("no"), Verdict: verdict})
			}
		}
		if n := strings.Count(logged(slog.LevelDebug, fail), "call failed"); n != 25 {
			t.Errorf("%s: %d lines", verdict, n)
		}
		if got := logged(slog.LevelInfo, fail); got != "" {
			t.Errorf("%s: %s", verdict, got)
		}
	}
}

// unprintable fails a test that makes a text of it.
type unprintable struct{ t *testing.T }

func (u unprintable) Error() string {
	u.t.Error("an error was formatted for a line that is not written")
	return ""
}

func TestNothingIsFormattedWhenDisabled(t *testing.T) {
	got := logged(slog.LevelError+1, func(o *observe.Observer) {
		err := unprintable{t}
		o.CallDone(t.Context(), observe.Call{Err: err})
		o.Endpoint(observe.EndpointChange{Err: err})
		o.Discovery(observe.Discovery{Err: err})
		o.Problem(err)
		if n := testing.AllocsPerRun(100, func() { o.AttemptDone(t.Context(), "/a.B/C", observe.Attempt{}) }); n > 1 {
			t.Errorf("an attempt that is not written allocates %v times", n)
		}
	})
	if got != "" {
		t.Errorf("wrote %q", got)
	}
}

func TestDefaultLoggerIsUsed(t *testing.T) {
	o := slogobserve.New(nil)
	var out bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(old)
	o.Problem(fmt.Errorf("it is %d", 42))
	if !strings.Contains(out.String(), "it is 42") {
		t.Errorf("the default logger got %q", out.String())
	}
}
