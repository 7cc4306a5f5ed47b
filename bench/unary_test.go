package main

import (
	"testing"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// BenchmarkUnary is the same call through bare grpc-go and through the kit.
// Compare them with the command of this package, which lets them take turns.
func BenchmarkUnary(b *testing.B) {
	f, err := newFixture()
	if err != nil {
		b.Fatal(err)
	}
	defer f.close()
	for name, c := range map[string]inventoryv1.InventoryClient{"bare": f.bare, "kit": f.kit} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(c); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
