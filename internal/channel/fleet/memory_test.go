package fleet

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"
)

// What is known of an endpoint that is gone is let go of, also if what is left
// is a single one, which nobody judges.
func TestGoneEndpointsAreForgotten(t *testing.T) {
	for name, left := range map[string]int{"one": 1, "some": 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cc := &fakeConn{}
				bal := testFleet(t).balancer(cc)
				defer bal.Close()
				b, ok := bal.(*fleetBalancer)
				if !ok {
					t.Fatalf("%T", bal)
				}
				all := endpointsOf(500)
				update := func(found []resolver.Endpoint) {
					t.Helper()
					if err := bal.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: found}}); err != nil {
						t.Fatal(err)
					}
					for range 50 { // connects have a limit, and sweeps and checks run
						cc.settle()
						time.Sleep(200 * time.Millisecond)
						synctest.Wait()
					}
				}
				update(all)
				b.mu.Lock()
				if b.ready != len(all) || len(b.judged) == 0 {
					t.Fatalf("%d ready, %d judged", b.ready, len(b.judged))
				}
				var gone []weak.Pointer[Endpoint]
				for _, e := range b.endpoints[left:] {
					gone = append(gone, weak.Make(e))
				}
				b.mu.Unlock()
				update(all[:left])
				cc.states = nil
				runtime.GC()
				runtime.GC()
				for i, w := range gone {
					if w.Value() != nil {
						t.Fatalf("endpoint %d of %d that are gone is held", i, len(gone))
					}
				}
				if len(b.byKey) != left {
					t.Errorf("%d endpoints by key, want %d", len(b.byKey), left)
				}
			})
		})
	}
}
