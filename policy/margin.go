package policy

import "time"

// marginShare is which part of the time that is left a margin may take at most: a
// tenth. A call whose caller waits for 30 ms is still worth its time.
const marginShare = 10

// PassOn returns how much of left, the time that a call has left which is
// being served, a call that is made for it may take: all but DeadlineMargin, and
// never less than nine tenths of it.
func (m Method) PassOn(left time.Duration) time.Duration {
	return left - min(m.DeadlineMargin, left/marginShare)
}
