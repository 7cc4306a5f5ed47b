package role

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc/stats"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// The worst moment is found, as one who looks back from each would.
func TestSpendingAgainstAModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for round := range 30 {
		var s spending
		var calls, extra []protocol.Instant
		run := protocol.Go{From: protocol.Instant(4 * time.Second), Until: protocol.Instant(25 * time.Second)}
		now, want := protocol.Instant(0), 0.0
		for range 300 {
			now = now.Add(time.Duration(r.ExpFloat64() * float64(100*time.Millisecond)))
			if r.IntN(3) > 0 {
				s.call(now)
				calls = append(calls, now)
				continue
			}
			s.add(now)
			extra = append(extra, now)
			earned, spent := 0, 0
			for _, at := range calls {
				if now.Sub(at) < 10*time.Second+blur {
					earned++
				}
			}
			for _, at := range extra {
				if now.Sub(at) < 10*time.Second {
					spent++
				}
			}
			if now >= run.From && now < run.Until {
				want = max(want, float64(spent)/(0.2*float64(earned)+10))
			}
		}
		if got := s.worst(run); math.Abs(got-want) > 1e-9 {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
	}
}

func TestWhoAddsNothingSpendsNothing(t *testing.T) {
	a := newAttempts().forClient()
	run := protocol.Go{Until: math.MaxInt64}
	for range 100 {
		a.spending.call(protocol.Now())
		a.HandleRPC(context.WithValue(t.Context(), makingKey{}, &making{}), &stats.Begin{})
	}
	if got := a.spending.worst(run); got != 0 {
		t.Errorf("of one stream a call: %v", got)
	}
	a.HandleRPC(wanted(t.Context()), &stats.Begin{})
	if got := a.spending.worst(run); got != 0 {
		t.Errorf("of a stream that the caller wants: %v", got)
	}
	other := a.forClient()
	call := context.WithValue(t.Context(), makingKey{}, &making{})
	for range 3 {
		other.HandleRPC(call, &stats.Begin{}) // two are repeats
	}
	other.HandleRPC(t.Context(), &stats.Begin{}) // a probe
	if got := other.spending.worst(run); got != 0.3 {
		t.Errorf("three in ten seconds without calls: %v, want 0.3", got)
	}
	if got := a.spending.worst(run); got != 0 {
		t.Errorf("another client's streams are this one's: %v", got)
	}
}
