package protocol

import "time"

// CallerHeader is the header of calls that count. It holds the instant, in
// nanoseconds, at which the caller of the first service gives up; servers pass
// it on.
const CallerHeader = "x-lab-caller"

// Served is what one server did for the calls that count.
type Served struct {
	Handled int64          `json:"handled"` // attempts that came to its handlers
	Wasted  time.Duration  `json:"wasted"`  // that handlers ran after the caller had given up
	Applied map[string]int `json:"applied"` // how often, by the name of the write
}
