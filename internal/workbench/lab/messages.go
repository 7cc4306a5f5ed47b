package lab

import (
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// job is what the outer process asks of a keeper, as one line of JSON.
type job struct {
	Isolation Isolation
	Probe     bool // build the world, say whether it stands, and end
	Scenario  *scenario.Scenario
	Arm       scenario.Arm
}

// message is one line of a keeper's answer; exactly one field is set.
type message struct {
	Progress *Progress   `json:",omitempty"`
	Arm      *report.Arm `json:",omitempty"` // the last line of a run that worked
	Standing bool        `json:",omitempty"` // the world could be built
	Failure  *StepError  `json:",omitempty"` // a step of building it was refused
	Error    string      `json:",omitempty"` // anything else that ended the run
}

// Phase is a part of an arm's run.
type Phase string

// The phases, in order.
const (
	Starting Phase = "starting"   // processes
	Warming  Phase = "warming up" // calls that do not count
	Running  Phase = "running"
	Settling Phase = "settling" // the last calls return
)

// Progress says how far the run of an arm is.
type Progress struct {
	Scenario string
	Arm      string
	Phase    Phase
	Done     time.Duration // of the measured part
	Of       time.Duration
	Calls    int64
	Failed   int64
	Event    string // something that happened just now, such as a fault; mostly ""
}
