package channel

import "time"

// whole is what the time that is left is cut to, and least how much must be left
// for it: less, grpc-go writes in nanoseconds.
const (
	whole = time.Millisecond
	least = 100 * time.Millisecond
)

// Deadline returns when the attempt must have ended, up to a millisecond before
// its context does.
//
// grpc-go writes the time that is left into the header grpc-timeout, in
// microseconds, so that no two calls send the same value: HPACK (RFC 7541) then
// puts each into its dynamic table, where it is of no more use, on both sides of
// the connection. In whole milliseconds most calls of a method send what others
// sent before, and that is one byte and no change of the tables. grpc-go asks
// immediately before it writes, and rounds up to the next microsecond; the first
// answer stays, as package context wants it.
func (a *attemptState) Deadline() (time.Time, bool) {
	d, ok := a.Context.Deadline()
	if !ok {
		return d, false
	}
	until := a.until.Load()
	if until == 0 {
		now := time.Now()
		left := d.Sub(now)
		if left >= least {
			left = left.Truncate(whole)
		}
		until = int64(now.Add(left).Sub(a.call.channel.epoch))
		if !a.until.CompareAndSwap(0, until) {
			until = a.until.Load()
		}
	}
	return a.call.channel.epoch.Add(time.Duration(until)), true
}
