package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

const (
	loadPrograms = 4                      // that share the clients, when there are so many
	startDelay   = 50 * time.Millisecond  // for the order to go to reach all programs
	sliceCount   = 48                     // of an arm's timeline
	tick         = 200 * time.Millisecond // between two reports of progress
	startLimit   = 30 * time.Second       // for all programs to be ready
)

// run puts one arm through the scenario: fleet, clients, warm-up, timeline,
// tally. ctx ends it early.
func (k *keeper) run(ctx context.Context, f *fleet) (report.Arm, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var loads []*program
	var playing sync.WaitGroup
	defer func() {
		cancel(nil)
		playing.Wait() // it uses the fleet
		for _, p := range loads {
			p.kill()
		}
		f.stop()
	}()

	s := k.job.Scenario
	k.progress(Progress{Phase: Starting})
	starting, started := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("the programs were not ready within %v: the machine is too busy for this scenario", startLimit))
	defer started()
	if err := f.start(starting, atStart(s)); err != nil {
		return report.Arm{}, because(starting, err)
	}
	var err error
	if loads, err = k.startLoads(starting, f); err != nil {
		return report.Arm{}, because(starting, err)
	}

	start := protocol.Now().Add(startDelay)
	from := start.Add(s.Load.Warmup)
	run := protocol.Go{Start: start, From: from, Until: from.Add(s.Load.Duration), Slice: s.Load.Duration / sliceCount}
	if at, faulty := s.FirstFault(); faulty {
		run.Quiet, run.After = from.Add(at), from.Add(at+scenario.Reaction)
	}
	if trouble, struck := s.Trouble(); struck && trouble.Healed {
		run.Settled = from.Add(trouble.End + scenario.Recovery)
	}
	counts := newCounts(len(loads))
	tallies := make([]protocol.Tally, len(loads))
	collected := make(chan struct{})
	var collectors sync.WaitGroup
	for i, p := range loads {
		if err := p.tell(run); err != nil {
			return report.Arm{}, err
		}
		collectors.Go(func() {
			tally, err := counts.collect(ctx, i, p)
			if err != nil {
				cancel(err)
			}
			tallies[i] = tally
		})
	}
	go func() { collectors.Wait(); close(collected) }()

	fault := make(chan protocol.Instant, 1)
	playing.Go(func() {
		if err := k.play(ctx, f, from, fault); err != nil {
			cancel(err)
		}
	})
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for done := false; !done; {
		select {
		case <-collected:
			done = true
		case err := <-f.accidents:
			cancel(err)
		case <-ticker.C:
			k.progress(counts.progress(run))
		}
	}
	if ctx.Err() != nil {
		return report.Arm{}, context.Cause(ctx)
	}
	sum, err := protocol.Merge(tallies...)
	if err != nil {
		return report.Arm{}, err
	}
	playing.Wait() // it uses the fleet
	served, err := f.served(ctx)
	if err != nil {
		return report.Arm{}, err
	}
	return armReport(k.job.Arm, s, sum, evidence{
		run: run, fault: fault, badReplies: f.names.badReplies(), served: served,
		address: func(n int) string { return f.world.address(n).String() },
	})
}

// atStart lists the servers that do not join later.
func atStart(s *scenario.Scenario) []int {
	later := s.Joining()
	var servers []int
	for n := 1; n <= s.Fleet.Servers; n++ {
		if !slices.Contains(later, n) {
			servers = append(servers, n)
		}
	}
	return servers
}

// startLoads starts the load programs and waits until every client has had an
// answer. It returns those that run even when it fails.
func (k *keeper) startLoads(ctx context.Context, f *fleet) ([]*program, error) {
	s := k.job.Scenario
	var loads []*program
	n := min(loadPrograms, s.Load.Clients)
	for i := range n {
		first, next := s.Load.Clients*i/n, s.Load.Clients*(i+1)/n
		p, err := launch(f.children, k.programs.Load, fmt.Sprintf("load program %d", i+1), protocol.LoadOrder{
			Arm: k.job.Arm.Name, Client: string(k.job.Arm.Client), Target: f.world.target(1),
			Clients: next - first, First: first, Of: s.Load.Clients,
			Rate: s.Load.Rate, Deadline: s.Load.Deadline, BadAfter: s.Load.BadAfter,
			Keys: s.Load.Keys, Cold: s.Load.Cold, Contract: k.job.Arm.Contract.Document(), Profile: k.job.Arm.Profile,
			Watch: s.Load.Watch, Lease: s.Load.Lease,
			Writes: s.Load.Writes, Audit: s.Audited(), AttemptTimeout: s.Load.AttemptTimeout,
		})
		if err != nil {
			return loads, err
		}
		loads = append(loads, p)
	}
	var err error
	for _, p := range loads {
		err = errors.Join(err, p.ready(ctx))
	}
	return loads, err
}

// play lets the timeline happen. It sends the instant of the first harm to
// fault.
func (k *keeper) play(ctx context.Context, f *fleet, from protocol.Instant, fault chan<- protocol.Instant) error {
	harmed := false
	for _, event := range k.job.Scenario.Timeline {
		if err := wait(ctx, protocol.Until(from.Add(event.At))); err != nil {
			return err // the run has ended, and the reason for that stays its reason
		}
		if !harmed && event.Harms() {
			harmed = true
			fault <- protocol.Now()
		}
		if err := f.strike(ctx, event); err != nil {
			return fmt.Errorf("%s at %v: %w", event.Kind, event.At, err)
		}
		if event.Kind == scenario.BadDNS {
			f.names.behave(event.Reply)
		}
		k.progress(Progress{Phase: Running, Done: event.At, Event: describe(event)})
	}
	return nil
}

// because prefers the reason for which ctx ended to the error that followed
// from it.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// progress reports how far the run is.
func (k *keeper) progress(p Progress) {
	p.Scenario, p.Arm, p.Of = k.job.Scenario.Name, k.job.Arm.Name, k.job.Scenario.Load.Duration
	// The outer process is gone when this fails, and then so are we.
	_ = k.send(message{Progress: &p})
}
