package lab

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
)

// reportLimit is how long a server may take to say what it did.
const reportLimit = 10 * time.Second

// served asks each server what it did, once all calls have returned; nil where
// nobody wants to know. One that hangs goes on first: what it does then it has
// done.
func (f *fleet) served(ctx context.Context) (map[int]protocol.Served, error) {
	if !f.scenario.Audited() || f.scenario.Kills() {
		return nil, nil //nolint:nilnil // not measured is no mistake
	}
	ctx, cancel := context.WithTimeoutCause(ctx, reportLimit, fmt.Errorf("a server did not report within %v", reportLimit))
	defer cancel()
	reports := map[int]protocol.Served{}
	for n, p := range f.servers {
		if err := p.signal(syscall.SIGCONT); err != nil {
			return nil, err
		}
		if err := p.tell(protocol.Behave{Report: true}); err != nil {
			return nil, err
		}
		line, err := p.next(ctx)
		switch {
		case err != nil:
			return nil, because(ctx, err)
		case line.Served == nil:
			return nil, fmt.Errorf("%s was asked what it did and said something else", p.name)
		}
		reports[n] = *line.Served
	}
	return reports, nil
}

// bottom is how many attempts the last layer of servers handled; nil without
// layers.
func (m measure) bottom() *int64 {
	if m.served == nil || m.s.Fleet.Layers == 1 {
		return nil
	}
	var sum int64
	for n, served := range m.served {
		if m.s.Layer(n) == m.s.Fleet.Layers {
			sum += served.Handled
		}
	}
	return &sum
}

// wasted is for how many milliseconds servers worked for nobody.
func (m measure) wasted() *float64 {
	if m.served == nil {
		return nil
	}
	var sum time.Duration
	for _, served := range m.served {
		sum += served.Wasted
	}
	ms := float64(sum.Microseconds()) / 1000
	return &ms
}

// appliedTwice counts the writes that were applied more than once, by whichever
// servers.
func (m measure) appliedTwice() *int64 {
	if m.served == nil {
		return nil
	}
	times := map[string]int{}
	for _, served := range m.served {
		for name, n := range served.Applied {
			times[name] += n
		}
	}
	var twice int64
	for _, n := range times {
		if n > 1 {
			twice++
		}
	}
	return &twice
}

// writes is what became of the writes that failed, and what their errors say of it.
// A write that a server has applied was sent, whatever the client's machine knows.
func (m measure) writes() *report.Writes {
	failed := m.sum.Failed
	counted := report.Writes{FailedSent: failed.Sent, FailedUnsent: failed.Unsent, Overstated: failed.Overstated}
	applied := map[string]bool{}
	for _, served := range m.served {
		for name := range served.Applied {
			applied[name] = true
		}
	}
	for name, sent := range failed.Silent {
		if sent || applied[name] {
			counted.Unsaid++
		}
	}
	return &counted
}
