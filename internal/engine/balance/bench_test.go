package balance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A kind is a way to make a picker, for tests and benchmarks of all of them.
type kind struct {
	name string
	make func([]Entry, Picker) Picker
}

func kinds() []kind {
	return []kind{
		{"round_robin", func(e []Entry, _ Picker) Picker { return NewRoundRobin(e, new(atomic.Uint64)) }},
		{"least_request", func(e []Entry, _ Picker) Picker { return NewLeastRequest(e, 2) }},
		{"peak_ewma", func(e []Entry, _ Picker) Picker { return NewPeakEWMA(e) }},
		{"hash", func(e []Entry, prev Picker) Picker { return NewHash(e, HashConfig{}, prev) }},
		{"hash_bounded", func(e []Entry, prev Picker) Picker { return NewHash(e, HashConfig{MaxLoadPercent: 125}, prev) }},
	}
}

// entriesOf returns n entries with the weights 1 to heaviest in turn. They
// have IDs and a Fleet, and answer in about 5 ms.
func entriesOf(n int, heaviest uint32, seed uint64) []Entry {
	rnd := rand.New(rand.NewPCG(seed, 0))
	shared := new(Fleet)
	entries := make([]Entry, n)
	for i := range entries {
		e := &Endpoint{ID: rnd.Uint64(), Fleet: shared}
		e.latency.record(0, time.Duration(5_000_000+rnd.Int64N(1000)), false)
		entries[i] = Entry{Endpoint: e, Weight: uint32(i)%heaviest + 1}
	}
	return entries
}

func BenchmarkPickers(b *testing.B) {
	for _, k := range kinds() {
		for _, n := range []int{10, 1_000, 10_000} {
			for _, heaviest := range []uint32{1, 10} {
				p := k.make(entriesOf(n, heaviest, 1), nil)
				name := fmt.Sprintf("%s/endpoints=%d/weights=1to%d", k.name, n, heaviest)
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					random := source(1)
					for b.Loop() {
						p.Pick(Request{Random: random.next(), Key: random.next(), Keyed: true})
					}
				})
			}
		}
	}
}

func BenchmarkPickersParallel(b *testing.B) {
	for _, k := range kinds() {
		entries := entriesOf(1_000, 1, 1)
		p := k.make(entries, nil)
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				random := source(rand.Uint64())
				for pb.Next() {
					i := p.Pick(Request{Random: random.next(), Key: random.next(), Keyed: true})
					entries[i].Begin()
					entries[i].End(0, 5_000_000, false)
				}
			})
		})
	}
}

// BenchmarkReplaceOne builds the picker that follows when one of the endpoints
// is replaced by another.
func BenchmarkReplaceOne(b *testing.B) {
	for _, k := range kinds() {
		for _, heaviest := range []uint32{1, 10} {
			one := entriesOf(10_000, heaviest, 1)
			other := append(slices.Delete(slices.Clone(one), 700, 701), entriesOf(1, heaviest, 2)...)
			b.Run(fmt.Sprintf("%s/endpoints=10000/weights=1to%d", k.name, heaviest), func(b *testing.B) {
				b.ReportAllocs()
				p := k.make(one, nil)
				for b.Loop() {
					one, other = other, one
					p = k.make(one, p)
				}
			})
		}
	}
}
