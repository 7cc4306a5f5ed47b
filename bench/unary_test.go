package main

import (
	"io"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/bench/internal/load"
)

// BenchmarkUnary is the same call through bare grpc-go and through the kit.
// Compare them with the command of this package, which lets them take turns.
func BenchmarkUnary(b *testing.B) {
	arms, stop, err := clients()
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	for _, a := range arms {
		b.Run(a.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := load.Call(a.Client); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func TestTheClientsAreCompared(t *testing.T) {
	arms, stop, err := clients()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := load.Compare(io.Discard, arms, 1, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
}
