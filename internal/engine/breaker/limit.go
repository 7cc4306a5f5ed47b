package breaker

import "github.com/surefoot-rpc/surefoot/policy"

// The limit is a bulkhead without a queue: a call waits for its place at the
// caller, or not at all. Only calls that were admitted while there was a limit
// hold a place, so that no limit costs nothing; one that is set later is exact
// when the calls of before have ended.

func limitOf(p policy.Breaker) int64 {
	if p.Off {
		return 0
	}
	return int64(p.MaxInFlight)
}

// place takes a place in flight. It does not add first and look then: a call
// that finds no place must not take that of another for a moment.
func (b *Breaker) place(limit int64) bool {
	for {
		n := b.inFlight.Load()
		if n >= limit {
			return false
		}
		if b.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
