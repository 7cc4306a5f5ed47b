package resume_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/resume"
)

// A holder is a server of one lease: it answers the n-th renewal, from 1, after a
// while, with a TTL or an error.
type holder struct {
	answer  func(n int) (after, ttl time.Duration, err error)
	sent    []time.Duration // when renewals came
	streams []time.Duration // when streams were opened
	start   time.Time
}

type renewals struct {
	*holder
	ctx context.Context
}

func (h *holder) open(ctx context.Context, _ ...grpc.CallOption) (renewals, error) {
	h.streams = append(h.streams, time.Since(h.start))
	return renewals{h, ctx}, nil
}

func (r renewals) Send(string) error {
	r.sent = append(r.sent, time.Since(r.start))
	return nil
}

func (r renewals) Recv() (time.Duration, error) {
	after, ttl, err := r.answer(len(r.sent))
	select {
	case <-time.After(after):
		return ttl, err
	case <-r.ctx.Done():
		return 0, status.FromContextError(r.ctx.Err()).Err()
	}
}

// hold holds a lease for so long.
func (h *holder) hold(t *testing.T, d time.Duration, opts ...resume.Option) (err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	h.start = time.Now()
	return resume.Keepalive(ctx, h.open, "lease", func(ttl time.Duration) time.Duration { return ttl }, opts...)
}

func TestTheTimeBetweenRenewals(t *testing.T) {
	for name, c := range map[string]struct {
		opts []resume.Option
		want time.Duration
	}{
		"is a third of the TTL":   {nil, time.Second},
		"or what the caller says": {[]resume.Option{resume.Interval(200 * time.Millisecond)}, 200 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &holder{answer: func(int) (time.Duration, time.Duration, error) { return 10 * time.Millisecond, 3 * time.Second, nil }}
			if err := h.hold(t, 10*time.Second-1, c.opts...); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if len(h.sent) != int(10*time.Second/c.want) || len(h.streams) != 1 {
				t.Errorf("%s: sent at %v on %d streams", name, h.sent, len(h.streams))
			}
			for i, at := range h.sent {
				if at != time.Duration(i)*c.want {
					t.Errorf("%s: renewal %d at %v", name, i, at)
				}
			}
		})
	}
}

// An answer may take half of the time between two renewals, and the first one 5 s
// while nobody knows how long the lease holds. A stream whose answer is overdue is
// given up, and the lease tried on another one within 25 ms, then 50 ms, … up to half
// of that time.
func TestAnAnswerThatIsOverdue(t *testing.T) {
	for name, c := range map[string]struct {
		opts  []resume.Option
		slow  int // the renewal whose answer takes so long
		after time.Duration
		gives bool
	}{
		"in time":               {nil, 2, 500*time.Millisecond - 1, false},
		"late":                  {nil, 2, 500*time.Millisecond + 1, true},
		"the first, in time":    {nil, 1, 5*time.Second - 1, false},
		"the first, late":       {nil, 1, 5*time.Second + 1, true},
		"the first, of a lease": {[]resume.Option{resume.TTL(3 * time.Second)}, 1, 500*time.Millisecond + 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &holder{answer: func(n int) (time.Duration, time.Duration, error) {
				if n == c.slow {
					return c.after, 30 * time.Second, nil // told a longer one, or it would be lost
				}
				return 0, 3 * time.Second, nil
			}}
			var waited []time.Duration
			err := h.hold(t, 20*time.Second, append(c.opts, resume.OnReopen(func(r resume.Reopening) {
				waited = append(waited, r.Wait)
				if r.Err == nil || !strings.Contains(r.Err.Error(), "not answered in time") {
					t.Errorf("%s: %v", name, r.Err)
				}
			}))...)
			if !errors.Is(err, context.DeadlineExceeded) || (len(h.streams) == 2) != c.gives || len(h.streams) > 2 {
				t.Errorf("%s: %v, streams at %v", name, err, h.streams)
			}
			if c.gives && (len(waited) != 1 || waited[0] > 25*time.Millisecond) {
				t.Errorf("%s: waited %v", name, waited)
			}
		})
	}
}

// Streams that break wait longer each time, and no longer than the lease lasts; one
// answer begins anew.
func TestTriesOfARenewal(t *testing.T) {
	longest := make(map[int]time.Duration)
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			h := &holder{answer: func(n int) (time.Duration, time.Duration, error) {
				if n == 1 || n == 8 {
					return 0, 6 * time.Second, nil
				}
				return 0, 0, status.Error(codes.Unavailable, "gone")
			}}
			n := 0
			err := h.hold(t, time.Minute, resume.OnReopen(func(r resume.Reopening) {
				longest[n] = max(longest[n], r.Wait)
				n++
			}))
			var lost *resume.LostError
			// 2 s to the next renewal: an answer is overdue after one, and of that the half.
			if !errors.As(err, &lost) || status.Code(lost.Err) != codes.Unavailable || status.Code(err) != codes.Unavailable ||
				!strings.Contains(err.Error(), "the lease is lost: no renewal was answered before 2000-01-01T00:00:") {
				t.Fatal(err)
			}
			if last := h.streams[len(h.streams)-1]; last >= lost.Expired.Sub(h.start) {
				t.Errorf("tried at %v, when it was lost", last)
			}
			if at := lost.Expired; at.After(time.Now()) || time.Since(at) > time.Millisecond {
				t.Errorf("lost at %v, told at %v", at, time.Now())
			}
		})
	}
	const ms = time.Millisecond
	for i, want := range []time.Duration{25 * ms, 50 * ms, 100 * ms, 200 * ms, 400 * ms, 500 * ms, 25 * ms, 50 * ms, 100 * ms} {
		if got := longest[i]; got > want || got < want*85/100 {
			t.Errorf("wait %d is up to %v, want %v", i+1, got, want)
		}
	}
}

// What the caller says of waits holds for leases, too.
func TestTheCallersWaitsBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holder{answer: func(n int) (time.Duration, time.Duration, error) {
			if n < 100 {
				return 0, 0, status.Error(codes.Unavailable, "gone")
			}
			return 0, time.Hour, nil
		}}
		if err := h.hold(t, time.Minute, resume.Backoff(0, 0)); !errors.Is(err, context.DeadlineExceeded) || len(h.streams) != 100 || h.streams[99] != 0 {
			t.Errorf("%v, %d streams", err, len(h.streams))
		}
	})
}

// A server that says so has the last word.
func TestALeaseThatExpiredIsToldAtOnce(t *testing.T) {
	for _, ttl := range []time.Duration{0, -time.Second} {
		synctest.Test(t, func(t *testing.T) {
			h := &holder{answer: func(int) (time.Duration, time.Duration, error) { return time.Second, ttl, nil }}
			err := h.hold(t, time.Minute)
			var lost *resume.LostError
			if !errors.As(err, &lost) || lost.Err != nil || errors.Unwrap(err) != nil || !lost.Expired.Equal(time.Now()) || time.Since(h.start) != time.Second ||
				err.Error() != "surefoot: the lease is lost: the server says that it has expired" {
				t.Errorf("%v", err)
			}
		})
	}
}
