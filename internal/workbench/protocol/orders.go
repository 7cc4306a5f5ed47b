package protocol

import "time"

// ServeOrder tells a server program what to be. Durations travel as
// nanoseconds.
type ServeOrder struct {
	Name   string        `json:"name"`   // what it answers under
	Listen string        `json:"listen"` // address and port
	Work   time.Duration `json:"work"`   // how long each call takes to answer
}

// LoadOrder tells a load program which clients to be.
type LoadOrder struct {
	Arm      string        `json:"arm"`
	Target   string        `json:"target"` // as given to NewClient
	Clients  int           `json:"clients"`
	First    int           `json:"first"`    // index of this program's first client among all of the run
	Of       int           `json:"of"`       // clients of the run in all programs, to spread their phases
	Rate     float64       `json:"rate"`     // calls per second and client
	Deadline time.Duration `json:"deadline"` // of each call, set by the caller
	BadAfter time.Duration `json:"bad_after"`
}

// Go starts the calls of a load program that has reported ready. Calls start
// at Start and are counted when they were planned for [From, Until).
type Go struct {
	Start Instant       `json:"start"`
	From  Instant       `json:"from"`
	Until Instant       `json:"until"`
	Slice time.Duration `json:"slice"` // width of the slices of Tally.Slices
}

// Line is one line of a program's standard output; exactly one field is set.
type Line struct {
	Ready    bool      `json:"ready,omitempty"` // the server listens, or every client has had an answer
	Progress *Progress `json:"progress,omitempty"`
	Tally    *Tally    `json:"tally,omitempty"` // the last line of a load program
	Error    string    `json:"error,omitempty"` // why the program ends
}

// Progress is what a load program has counted so far.
type Progress struct {
	Calls  int64 `json:"calls"`
	Failed int64 `json:"failed"`
}
