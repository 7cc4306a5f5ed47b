package protocol

import "time"

// Watched is what came of the watches of some clients.
type Watched struct {
	Missing    int64 `json:"missing"`
	Doubled    int64 `json:"doubled"`
	OutOfOrder int64 `json:"out_of_order"`
}

// Add adds other up.
func (w *Watched) Add(other Watched) {
	w.Missing += other.Missing
	w.Doubled += other.Doubled
	w.OutOfOrder += other.OutOfOrder
}

// Revision is the revision at an instant of what changes so often: all servers
// know the same changes at the same time, because the clock makes them.
func Revision(at Instant, every time.Duration) int64 { return int64(at) / int64(every) }

// Changed is when the revision came to be.
func Changed(revision int64, every time.Duration) Instant { return Instant(revision * int64(every)) }
