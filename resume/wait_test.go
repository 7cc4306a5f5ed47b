package resume_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/resume"
)

// ending is a stream that delivers some messages and ends with err.
type ending struct {
	messages []string
	err      error
	trailer  metadata.MD
}

func (e *ending) Trailer() metadata.MD { return e.trailer }

func (e *ending) Recv() (string, error) {
	if len(e.messages) == 0 {
		return "", e.err
	}
	m := e.messages[0]
	e.messages = e.messages[1:]
	return m, nil
}

// waits returns the waits between streams that end like these, the last of which
// is final.
func waits(t *testing.T, streams []*ending, opts ...resume.Option) (all []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		open := func(context.Context, string, ...grpc.CallOption) (*ending, error) {
			n++
			return streams[n-1], nil
		}
		opts = append(opts, resume.OnReopen(func(r resume.Reopening) {
			if !errors.Is(r.Err, streams[n-1].err) {
				t.Errorf("opened again after %v", r.Err)
			}
			all = append(all, r.Wait)
		}))
		start := time.Now()
		for range resume.MessagesBy(t.Context(), open, "", func(m string) string { return m }, func(c string) string { return c }, opts...) {
		}
		var sum time.Duration
		for _, d := range all {
			sum += d
		}
		if took := time.Since(start); took != sum || n != len(streams) {
			t.Errorf("%d of %d streams, %v, told of %v", n, len(streams), took, all)
		}
	})
	return all
}

func over() *ending { return &ending{err: status.Error(codes.NotFound, "over")} }

func end(code codes.Code, verdict string) *ending {
	return &ending{err: judged{status.Error(code, verdict), verdict}}
}

// What a client of Surefoot's tells of the last attempt decides whether a stream is
// opened again, and nothing else does.
func TestTheVerdictDecides(t *testing.T) {
	for verdict, again := range map[string]bool{
		"unprocessed": true, "lost": true, "timeout": true, "fault": true, "refusal": true, "transient": true,
		"stopped": true, "relayed": true, "aged": true, "expired": true, "denied": true,
		"abandoned": false, "local": false, "missing": false, "broken": false, "answer": false, "success": false,
	} {
		for _, code := range []codes.Code{codes.Unavailable, codes.Internal} {
			streams := []*ending{end(code, verdict), over()}
			if !again {
				streams = streams[:1]
			}
			if got := waits(t, streams, resume.Backoff(0, 0)); (len(got) == 1) != again {
				t.Errorf("%s, %v: opened again %d times", verdict, code, len(got))
			}
		}
	}
}

// Whoever does not tell is believed by the code.
func TestTheCodesOfOtherClients(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		again := code == codes.Unavailable || code == codes.DeadlineExceeded
		streams := []*ending{{err: status.Error(code, "")}, over()}
		if !again {
			streams = streams[:1]
		}
		if got := waits(t, streams, resume.Backoff(0, 0)); (len(got) == 1) != again {
			t.Errorf("%v: opened again %d times", code, len(got))
		}
	}
}

// The n-th wait is random up to base * 2^n, and no more than the limit. One message
// begins the series anew.
func TestWaitsGrow(t *testing.T) {
	const base, limit = 100 * time.Millisecond, 10 * time.Second
	longest := make([]time.Duration, 12)
	for range 300 {
		var streams []*ending
		for range longest {
			streams = append(streams, end(codes.Unavailable, "lost"))
		}
		streams[9].messages = []string{"m"}
		for i, d := range waits(t, append(streams, over())) {
			longest[i] = max(longest[i], d)
		}
	}
	for i, most := range longest {
		n := i
		if i >= 9 {
			n -= 9
		}
		ceiling := min(base<<n, limit)
		if most > ceiling || most < ceiling*9/10 { // by chance in 300: 0.9^300
			t.Errorf("wait %d is up to %v, want %v", i+1, most, ceiling)
		}
	}
}

// A server that asks for time has it; one that wants no repeat is left alone for as
// long as may be.
func TestAServerThatAsksForTimeHasIt(t *testing.T) {
	refusal := end(codes.ResourceExhausted, "refusal")
	refusal.trailer = metadata.Pairs("grpc-retry-pushback-ms", "90000")
	if got := waits(t, []*ending{refusal, over()}); got[0] != 90*time.Second {
		t.Errorf("waited %v", got[0])
	}
	fault := end(codes.Unavailable, "fault") // whose trailer says nothing of the kind
	fault.trailer = refusal.trailer
	if got := waits(t, []*ending{fault, over()}); got[0] > 100*time.Millisecond {
		t.Errorf("waited %v", got[0])
	}
	for _, verdict := range []string{"stopped", "relayed"} {
		// By chance it is below a second once in 36 million times.
		got := waits(t, []*ending{end(codes.Unavailable, verdict), end(codes.Unavailable, "lost"), over()}, resume.Backoff(time.Millisecond, 10_000*time.Hour))
		if got[0] < time.Second || got[1] < time.Second {
			t.Errorf("%s: waited %v", verdict, got)
		}
	}
	for _, longest := range []time.Duration{0, time.Millisecond} { // which have no series
		if got := waits(t, []*ending{end(codes.Unavailable, "stopped"), over()}, resume.Backoff(longest, longest)); got[0] > longest {
			t.Errorf("waited %v", got)
		}
	}
}

// A stream that has reached its age is opened again at once, and is no failure.
func TestAStreamThatAgedCostsNoWait(t *testing.T) {
	got := waits(t, []*ending{end(codes.Unavailable, "aged"), end(codes.Unavailable, "aged"), end(codes.Unavailable, "lost"), over()})
	if got[0] != 0 || got[1] != 0 || got[2] > 100*time.Millisecond {
		t.Errorf("waited %v", got)
	}
}

// Options of the caller's go with each stream.
func TestEachStreamHasTheCallersOptions(t *testing.T) {
	mine := grpc.WaitForReady(true)
	n := 0
	open := func(_ context.Context, _ string, opts ...grpc.CallOption) (*ending, error) {
		if n++; len(opts) != 2 || opts[0] != mine {
			t.Errorf("stream %d has the options %v", n, opts)
		}
		if n == 1 {
			return end(codes.Unavailable, "lost"), nil
		}
		return over(), nil
	}
	for range resume.MessagesBy(t.Context(), open, "", func(m string) string { return m }, func(c string) string { return c },
		resume.CallOptions(mine), nil, resume.Backoff(0, 0)) {
	}
	if n != 2 {
		t.Errorf("%d streams", n)
	}
}
