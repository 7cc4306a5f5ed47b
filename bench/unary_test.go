package main

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/bench/internal/load"
)

// BenchmarkUnary is the same call through bare grpc-go and through the kit.
// Compare them with the command of this package, which lets them take turns.
func BenchmarkUnary(b *testing.B) {
	arms, stop, err := clients(load.StartApart)
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

// The servers run this program, as those of the command do.
func TestMain(m *testing.M) {
	load.ServeIfAsked()
	os.Exit(m.Run())
}

func TestTheClientsAreCompared(t *testing.T) {
	for name, start := range map[string]func(int) (*load.Servers, error){"apart": load.StartApart, "together": load.Start} {
		t.Run(name, func(t *testing.T) {
			if err := run(io.Discard, start, 1, 10*time.Millisecond); err != nil {
				t.Error(err)
			}
		})
	}
}
