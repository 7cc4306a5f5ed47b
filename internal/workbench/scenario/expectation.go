package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expectation is one thing that must be true of one arm.
type Expectation struct {
	Arm    string // its name
	Text   string // what it means, for people
	Metric Metric
	Beside string // the name of another arm, by whose figure the arm's is divided; "" for the figure itself
	Want   Bound
}

// Metric names a figure of an arm.
type Metric string

// The metrics.
const (
	Calls           Metric = "calls"
	Failed          Metric = "failed" // calls that returned an error
	Bad             Metric = "bad"    // failed, or as slow as load.bad_after
	AttemptsPerCall Metric = "attempts_per_call"
	P50             Metric = "p50_ms"
	P99             Metric = "p99_ms"
	Max             Metric = "max_ms"
	BusiestOverMean Metric = "busiest_over_mean"
	LastBad         Metric = "last_bad_ms"          // after the first fault
	Closed          Metric = "closed_connections"   // to servers that were well
	NewShare        Metric = "new_share"            // of the servers that joined, ÷ their fair share, over the last NewShareOver
	BadShare        Metric = "bad_share"            // of attempts, of the servers struck first, from Reaction later until they heal
	Returned        Metric = "returned_ms"          // how long after healing the servers struck first had their share again
	QuietP99        Metric = "quiet_p99_ms"         // of calls before the first fault
	P99OverQuiet    Metric = "p99_over_quiet"       // p99 of calls later than Reaction after the first fault ÷ quiet_p99_ms
	MovedKeys       Metric = "moved_keys"           // that another server than at first answered at some time
	StrayKeys       Metric = "stray_keys"           // moved keys whose first server was never harmed
	AwayKeys        Metric = "away_keys"            // that another server than at first still answered at the end
	BadReplies      Metric = "bad_replies"          // kinds of bad replies of DNS that the clients were given
	GoodputBefore   Metric = "goodput_before"       // calls before the first fault that succeeded ÷ those issued
	GoodputAfter    Metric = "goodput_after"        // the same, from Recovery after the servers struck first have healed
	BudgetUsed      Metric = "budget_used"          // what a client adds ÷ (0.2 × its calls + 1/s), at the worst over BudgetWindow
	BottomAttempts  Metric = "bottom_attempts"      // that the last layer of servers handled
	WastedWork      Metric = "wasted_work"          // ms that servers spent on calls after their callers had given up
	FailedReads     Metric = "failed_idempotent"    // failed calls that change nothing
	AppliedTwice    Metric = "applied_twice"        // writes that were applied more than once
	FailedSent      Metric = "failed_sent_writes"   // writes that failed though they were sent
	FailedUnsent    Metric = "failed_unsent_writes" // writes that failed and were never sent
	Unsaid          Metric = "unsaid_writes"        // of those sent or applied: the error does not say that they may have been applied
	Overstated      Metric = "overstated_writes"    // of those not sent: the error says so
	Missing         Metric = "missing"              // messages that those who watch did not get by the end, but for the last Arrival
	Doubled         Metric = "doubled"              // messages that they got again
	OutOfOrder      Metric = "out_of_order"         // messages that they got after a later one
	LeasesLost      Metric = "leases_lost"          // leases that were not renewed in time
)

// Arrival is how long before the end of the run a message must have been sent to
// be missed.
const Arrival = 2 * time.Second

// BudgetWindow is the time over which the load that a client adds is measured, each
// time that it adds something.
const BudgetWindow = 10 * time.Second

// Metrics lists all metrics.
func Metrics() []Metric {
	return []Metric{
		Calls, Failed, Bad, AttemptsPerCall, P50, P99, Max, BusiestOverMean, LastBad, Closed,
		NewShare, BadShare, Returned, QuietP99, P99OverQuiet, MovedKeys, StrayKeys, AwayKeys, BadReplies,
		GoodputBefore, GoodputAfter, BudgetUsed, BottomAttempts, WastedWork, FailedReads, AppliedTwice,
		FailedSent, FailedUnsent, Unsaid, Overstated,
		Missing, Doubled, OutOfOrder, LeasesLost,
	}
}

// NewShareOver is the end of the run over which the share of new servers is
// measured.
const NewShareOver = 5 * time.Second

// KeysAtEnd is the end of the run in which every key should be at home again.
const KeysAtEnd = 2 * time.Second

// keyRound is how long the clients take to call each key once.
func (s *Scenario) keyRound() time.Duration {
	return time.Duration(float64(s.Load.Keys) / (float64(s.Load.Clients) * s.Load.Rate) * float64(time.Second)).Round(time.Millisecond)
}

// missing says what the scenario lacks for the metric to be measured; "" when
// it lacks nothing.
func (s *Scenario) missing(m Metric, want Bound) string {
	at, faulty := s.FirstFault()
	trouble, struck := s.Trouble()
	switch m {
	case Calls, Failed, Bad, AttemptsPerCall, P50, P99, Max, BusiestOverMean, Closed, BudgetUsed: // of every run
	case LastBad:
		if !faulty {
			return "counts from the first fault, and the timeline has none: add a fault or choose another metric"
		}
	case QuietP99, GoodputBefore:
		if !faulty || at == 0 {
			return "is of the calls before the first fault, and there are none: add a fault, later than 0s"
		}
	case GoodputAfter:
		if !struck || !trouble.Healed || trouble.End+Recovery >= s.Load.Duration {
			return fmt.Sprintf("is measured from %v after servers have healed: add a fault that heals what an earlier one did, early enough", Recovery)
		}
	case BottomAttempts:
		if s.Fleet.Layers == 1 {
			return "is of services behind each other: add fleet.layers"
		}
		return s.forgotten()
	case WastedWork:
		if !s.Audited() {
			return "is measured where servers queue or call each other: add fleet.concurrency or fleet.layers"
		}
		return s.forgotten()
	case FailedReads, AppliedTwice, FailedSent, FailedUnsent, Unsaid, Overstated:
		if s.Load.Writes == 0 {
			return "is for loads with calls that change something: add load.writes"
		}
		if m == AppliedTwice {
			return s.forgotten()
		}
	case Missing, Doubled, OutOfOrder:
		if s.Load.Watch == 0 {
			return "is of clients that watch: add load.watch"
		}
		if s.Load.Duration <= Arrival {
			return fmt.Sprintf("needs a run longer than the %v that messages have to arrive: lengthen load.duration", Arrival)
		}
	case LeasesLost:
		if s.Load.Lease == 0 {
			return "is of clients that hold leases: add load.lease"
		}
	case P99OverQuiet:
		if !faulty || at == 0 || at+Reaction >= s.Load.Duration {
			return fmt.Sprintf("compares calls before the first fault with those from %v after it: add a fault that leaves time for both", Reaction)
		}
	case NewShare:
		if len(s.Joining()) == 0 {
			return "is of servers that join, and none does: add the fault join"
		}
		if s.Load.Duration < NewShareOver {
			return fmt.Sprintf("is over the last %v: lengthen load.duration", NewShareOver)
		}
	case BadShare:
		if !struck || trouble.At+Reaction >= trouble.End {
			return fmt.Sprintf("is measured from %v after servers were struck until they heal: add a fault that lasts longer", Reaction)
		}
	case Returned:
		if !struck || !trouble.Healed {
			return "counts from the healing of servers: add a fault that heals what an earlier one did"
		}
		if left := s.Load.Duration - trouble.End; (want.Op == "<=" || want.Op == "<") && want.Value >= float64(left.Milliseconds()) {
			return fmt.Sprintf("cannot exceed %v, because the run ends then: lengthen load.duration or lower the bound", left)
		}
	case MovedKeys, StrayKeys, AwayKeys:
		if s.Load.Keys == 0 || !faulty {
			return "counts keys that move because of faults: add load.keys and a fault"
		}
		if round := s.keyRound(); round > at || round > KeysAtEnd {
			return fmt.Sprintf("needs each key to be called before the first fault, and in the last %v, and a round of the keys takes %v: call more often or take fewer keys", KeysAtEnd, round)
		}
	case BadReplies:
		if !slices.ContainsFunc(s.Timeline, func(f Fault) bool { return f.Kind == BadDNS && f.Harms() }) {
			return "counts bad replies of DNS: add the fault dns"
		}
	}
	return ""
}

// forgotten says that servers cannot report what they did.
func (s *Scenario) forgotten() string {
	if s.Kills() {
		return "is reported by the servers, and one that is killed cannot: choose another fault"
	}
	return ""
}

// Bound is a comparison with a number, such as "<= 1000".
type Bound struct {
	Op    string // one of <=, >=, <, >, ==
	Value float64
}

// bounds lists the comparisons; a longer one before its prefix.
func bounds() []string { return []string{"<=", ">=", "==", "<", ">"} }

// ParseBound reads a bound.
func ParseBound(text string) (Bound, error) {
	for _, op := range bounds() {
		rest, ok := strings.CutPrefix(strings.TrimSpace(text), op)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
		if err != nil || value != value {
			return Bound{}, fmt.Errorf("%q is not a number", strings.TrimSpace(rest))
		}
		return Bound{Op: op, Value: value}, nil
	}
	return Bound{}, fmt.Errorf("%q does not start with one of %s", text, strings.Join(bounds(), " "))
}

// Holds says whether got satisfies the bound.
func (b Bound) Holds(got float64) bool {
	switch b.Op {
	case "<=":
		return got <= b.Value
	case ">=":
		return got >= b.Value
	case "==":
		return got == b.Value
	case "<":
		return got < b.Value
	case ">":
		return got > b.Value
	}
	return false
}

// String writes the bound as ParseBound reads it.
func (b Bound) String() string {
	return b.Op + " " + strconv.FormatFloat(b.Value, 'f', -1, 64)
}
