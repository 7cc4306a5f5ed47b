package fleet

import (
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/resolver"
)

// An endpoint of several addresses is one, and keeps its connection while they
// stay the same, in their order.
func TestAnEndpointIsAllOfItsAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc, b := bring(t, 1, nil)
		defer b.Close()
		for _, c := range []struct {
			addrs []string
			conns int // ever
		}{
			{[]string{"10.0.0.1:1", "[fd00::1]:1"}, 2},
			{[]string{"10.0.0.1:1", "[fd00::1]:1"}, 2},
			{[]string{"10.0.0.1:1"}, 3},
			{[]string{"10.0.0.1:1", "[fd00::2]:1"}, 4},
			{[]string{"[fd00::2]:1", "10.0.0.1:1"}, 5},
		} {
			var e resolver.Endpoint
			for _, a := range c.addrs {
				e.Addresses = append(e.Addresses, resolver.Address{Addr: a})
			}
			found(t, b, []resolver.Endpoint{e})
			if n := len(cc.subs); n != c.conns {
				t.Errorf("%v: %d connections ever, want %d", c.addrs, n, c.conns)
			}
			if got := b.endpoints[0].Address(); len(b.endpoints) != 1 || got != c.addrs[0] {
				t.Errorf("%v: %d endpoints, the first called %s", c.addrs, len(b.endpoints), got)
			}
		}
	})
}
