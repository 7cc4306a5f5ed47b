package breaker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

// BenchmarkCall is Allow and Done of one call that is admitted, or Allow of one
// that is denied. The clock is not read: now is the driver's.
func BenchmarkCall(b *testing.B) {
	house, limited, open := policy.HouseBreaker(), policy.HouseBreaker(), policy.HouseBreaker()
	limited.MaxInFlight = 1 << 20
	for _, c := range []struct {
		name     string
		policy   policy.Breaker
		verdicts []outcome.Verdict
	}{
		{"off", policy.Breaker{}, nil},
		{"house", house, nil},
		{"limited", limited, nil},
		{"throttled", house, []outcome.Verdict{outcome.Refusal}},
		{"open", open, []outcome.Verdict{outcome.Fault}},
	} {
		prepare := func() *Breaker {
			br := New(c.policy, start)
			for _, v := range c.verdicts {
				for range 30 {
					t, _, _ := br.Allow(start, 1<<63)
					br.Done(start, t, v, 0)
				}
			}
			return br
		}
		call := func(br *Breaker, random uint64) {
			if t, d, _ := br.Allow(start, random); !d.Denied() {
				br.Done(start, t, outcome.Success, 0)
			}
		}
		b.Run(c.name, func(b *testing.B) {
			br := prepare()
			b.ReportAllocs()
			for b.Loop() {
				call(br, 1)
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			br := prepare()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for random := rand.Uint64(); pb.Next(); random++ {
					call(br, random)
				}
			})
		})
	}
}

// BenchmarkDice is what the driver adds: a random number for a call.
func BenchmarkDice(b *testing.B) {
	for b.Loop() {
		rand.Uint64()
	}
}

const start = time.Hour
