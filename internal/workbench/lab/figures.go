package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// evidence is what the keeper knows of a run beside what the callers counted.
type evidence struct {
	run        protocol.Go
	fault      <-chan protocol.Instant // holds the instant of the first harm, if there was one
	badReplies int                     // kinds of bad replies that DNS gave
	address    func(server int) string
	served     map[int]protocol.Served // by the number of the server; nil where nobody wants to know
}

// serverName is what server n answers under.
func serverName(n int) string { return fmt.Sprintf("inventory-%d", n) }

// armReport turns the sum of the tallies into what people and machines read.
func armReport(arm scenario.Arm, s *scenario.Scenario, sum protocol.Tally, e evidence) (report.Arm, error) {
	latency, err := sum.Latency.Quantiles()
	if err != nil {
		return report.Arm{}, err
	}
	a := report.Arm{
		Name: arm.Name, Client: string(arm.Client), Calls: sum.Calls, OK: sum.OK, Errors: sum.Errors, Attempts: sum.Attempts,
		P50: latency.P50, P99: latency.P99, Max: latency.Max,
		BusiestOverMean: sum.BusiestOverMean(s.LayerSize()),
		Bad:             sum.Bad,
		MaxLag:          float64(sum.MaxLag.Microseconds()) / 1000,
		BudgetUsed:      sum.BudgetUsed,
	}
	select {
	case at := <-e.fault:
		a.LastBad = float64(sum.LastBadAfter(at).Microseconds()) / 1000
	default:
	}
	for _, slice := range sum.Slices {
		a.Timeline = append(a.Timeline, report.Slice{Calls: slice.Calls, Bad: slice.Bad})
	}
	m := measure{s, sum, e}
	a.BottomAttempts, a.WastedWork = m.bottom(), m.wasted()
	a.Goodput = m.goodput()
	if s.Load.Watch > 0 {
		a.Missing, a.Doubled, a.OutOfOrder = &sum.Watched.Missing, &sum.Watched.Doubled, &sum.Watched.OutOfOrder
	}
	if s.Load.Lease > 0 {
		a.LeasesLost = &sum.Lost
	}
	if s.Load.Writes > 0 {
		failed := sum.Reads.Calls - sum.Reads.OK
		a.FailedIdempotent, a.AppliedTwice, a.Writes = &failed, m.appliedTwice(), m.writes()
	}
	a.Closed = m.closed()
	a.NewShare = m.newShare()
	a.BadShare = m.badShare()
	a.Returned = m.returned()
	if s.Load.Keys > 0 {
		a.Keys = m.keys()
	}
	if m.dnsFails() {
		a.BadReplies = &e.badReplies
	}
	return a, m.quiet(&a)
}

// measure computes the figures that only some scenarios have; nil is "not
// measured".
type measure struct {
	s   *scenario.Scenario
	sum protocol.Tally
	evidence
}

func (m measure) dnsFails() bool {
	return slices.ContainsFunc(m.s.Timeline, func(f scenario.Fault) bool { return f.Kind == scenario.BadDNS && f.Harms() })
}

// quiet compares the latency before the first fault with that after it.
func (m measure) quiet(a *report.Arm) error {
	if len(m.sum.Quiet) == 0 {
		return nil
	}
	before, err := m.sum.Quiet.Quantiles()
	if err != nil {
		return err
	}
	a.QuietP99 = &before.P99
	if len(m.sum.After) == 0 || before.P99 == 0 {
		return nil
	}
	after, err := m.sum.After.Quantiles()
	if err != nil {
		return err
	}
	ratio := after.P99 / before.P99
	a.AfterP99, a.P99OverQuiet = &after.P99, &ratio
	return nil
}

// goodput is the part of the calls that succeeded, before the first fault and
// when the service should have recovered.
func (m measure) goodput() *report.Goodput {
	before, settled := m.sum.Before, m.sum.Settled
	if before.Calls == 0 {
		return nil
	}
	g := &report.Goodput{Before: float64(before.OK) / float64(before.Calls)}
	if settled.Calls > 0 {
		after := float64(settled.OK) / float64(settled.Calls)
		g.After = &after
	}
	return g
}

// closed counts the connections that ended though their server was well.
func (m measure) closed() *int64 {
	var n int64
	for _, c := range m.sum.Closed {
		server := m.server(c)
		at := c.At.Sub(m.run.From)
		switch {
		case server > 0 && m.s.DownAt(server, at):
		// Nobody answered on it: behind a virtual address it may have led to one
		// that was down, and elsewhere it led to where no server is.
		case server == 0 && (m.anyDownAt(at) || !m.s.DNS.VirtualIP):
		default:
			n++
		}
	}
	return &n
}

// anyDownAt says whether a server was down.
func (m measure) anyDownAt(at time.Duration) bool {
	for n := 1; n <= m.s.Fleet.Servers; n++ {
		if m.s.DownAt(n, at) {
			return true
		}
	}
	return false
}

// server is the number of the server at the other end of a connection; 0 when
// it is not known.
func (m measure) server(c protocol.Closed) int {
	for n := 1; n <= m.s.Fleet.Servers; n++ {
		if c.Address == m.address(n) || c.Server == serverName(n) {
			return n
		}
	}
	return 0
}

// share is the part of the attempts in [from, to) that went to the servers, and
// false when there were none or callers do not know the servers' addresses.
func (m measure) share(servers []int, from, to time.Duration) (float64, bool) {
	var part, all int64
	addresses := make([]string, len(servers))
	for i, n := range servers {
		addresses[i] = m.address(n)
	}
	for address, n := range m.sum.Streams.Between(from, to) {
		all += n
		if slices.Contains(addresses, address) {
			part += n
		}
	}
	if all == 0 || m.s.DNS.VirtualIP || m.s.Fleet.Layers > 1 {
		return 0, false
	}
	return float64(part) / float64(all), true
}

func (m measure) newShare() *float64 {
	joining, end := m.s.Joining(), m.s.Load.Duration
	if len(joining) == 0 || end < scenario.NewShareOver {
		return nil
	}
	got, known := m.share(joining, end-scenario.NewShareOver, end)
	if !known {
		return nil
	}
	relative := got * float64(m.s.Fleet.Servers) / float64(len(joining))
	return &relative
}

func (m measure) badShare() *float64 {
	t, struck := m.s.Trouble()
	if !struck || t.At+scenario.Reaction >= t.End {
		return nil
	}
	got, known := m.share(t.Servers, t.At+scenario.Reaction, t.End)
	if !known {
		return nil
	}
	return &got
}

// A healed server has its share again when it gets, over returnedOver, as much
// as returnedPart of a fair share.
const (
	returnedOver = time.Second
	returnedPart = 0.8
)

// returned is how long after healing the share was first back; the rest of the
// run when it never was.
func (m measure) returned() *float64 {
	t, struck := m.s.Trouble()
	if !struck || !t.Healed || m.s.DNS.VirtualIP || m.s.Fleet.Layers > 1 {
		return nil
	}
	back := m.s.Load.Duration
	fair := float64(len(t.Servers)) / float64(m.s.Fleet.Servers)
	for from := t.End; from+returnedOver <= m.s.Load.Duration; from += protocol.Beat {
		if got, known := m.share(t.Servers, from, from+returnedOver); known && got >= returnedPart*fair {
			back = from
			break
		}
	}
	ms := float64((back - t.End).Milliseconds())
	return &ms
}
