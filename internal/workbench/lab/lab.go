package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// Lab runs scenarios. Make one with Open and end it with Close. Its methods are
// for one goroutine.
type Lab struct {
	programs Programs
	way      way
	keepers  *spawner
	refusals []string // why better ways than ours did not work
}

// Open finds out what isolation this machine gives: it builds a world and takes
// it down again. want "" takes the best; Namespaces is an error where they are
// refused.
func Open(ctx context.Context, programs Programs, want Isolation) (*Lab, error) {
	l := &Lab{programs: programs, keepers: newSpawner()}
	for _, w := range ways(want, os.Geteuid()) {
		if want == Namespaces && w.isolation != Namespaces {
			break
		}
		l.way = w
		_, err := l.keep(ctx, job{Isolation: w.isolation, Probe: true}, func(Progress) {})
		if err == nil {
			return l, nil
		}
		if ctx.Err() != nil {
			l.Close()
			return nil, ctx.Err()
		}
		l.refusals = append(l.refusals, fmt.Sprintf("%s: %v", w.label, err))
	}
	l.Close()
	return nil, fmt.Errorf("this machine gives the lab no world to run in:\n  %s", strings.Join(l.refusals, "\n  "))
}

// Close ends whatever still runs.
func (l *Lab) Close() { l.keepers.close() }

// Isolation is what the lab works in.
func (l *Lab) Isolation() Isolation { return l.way.isolation }

// Refusals says why the lab does not work in something better, with what can be
// done about it; empty when nothing was refused.
func (l *Lab) Refusals() []string { return l.refusals }

// Run puts all arms of a scenario through it, one after the other, each with a
// fresh world and fleet. progress is called from this goroutine.
func (l *Lab) Run(ctx context.Context, s *scenario.Scenario, progress func(Progress)) (report.Scenario, error) {
	r := report.Scenario{
		Name: s.Name, Summary: s.Summary, Isolation: string(l.way.isolation),
		Seconds:      s.Load.Duration.Seconds(),
		BadAfterMS:   s.Load.BadAfter.Seconds() * 1000,
		SliceSeconds: s.Load.Duration.Seconds() / sliceCount,
	}
	if at, ok := s.FirstFault(); ok {
		r.FaultAfter = at.Seconds()
	}
	r.Skipped = l.cannot(s)
	for _, arm := range s.Arms {
		if r.Skipped != "" {
			r.Arms = append(r.Arms, report.Arm{Name: arm.Name, Client: string(arm.Client), Skipped: r.Skipped})
			continue
		}
		got, err := l.keep(ctx, job{Isolation: l.way.isolation, Scenario: s, Arm: arm}, progress)
		if err != nil {
			return report.Scenario{}, fmt.Errorf("%s, arm %s: %w", s.Name, arm.Name, err)
		}
		r.Arms = append(r.Arms, *got)
	}
	var err error
	r.Expectations, err = report.Judge(r.Arms, s.Expect)
	return r, err
}

// cannot says why a scenario cannot run in this isolation; "" when it can.
func (l *Lab) cannot(s *scenario.Scenario) string {
	if l.way.isolation == Namespaces {
		return ""
	}
	if what := s.NeedsNetwork(); what != "" {
		return what + " needs a network namespace"
	}
	return ""
}

// killDelay is how long a keeper has to end by itself when it is asked to.
const killDelay = 2 * time.Second

// keep starts a keeper, gives it the job and follows it to its end. The report
// is nil for a probe.
func (l *Lab) keep(ctx context.Context, j job, progress func(Progress)) (*report.Arm, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	args := l.programs.Keeper
	if l.way.isolation == Namespaces {
		args = l.programs.Init
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...) //nolint:gosec // starts itself
	cmd.SysProcAttr = l.way.attr()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	said := &tail{}
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := l.keepers.start(cmd); err != nil {
		return nil, failed("start a process in it", err)
	}
	var final message
	_, err = stdin.Write(append(text, '\n'))
	if err == nil {
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, maxLine)
		for scanner.Scan() && err == nil {
			var m message
			if err = json.Unmarshal(scanner.Bytes(), &m); err == nil && m.Progress != nil {
				progress(*m.Progress)
				continue
			}
			final = m
		}
		err = errors.Join(err, scanner.Err())
	}
	if err != nil {
		_ = cmd.Process.Kill() // it may have ended; one that talks nonsense must not be waited for
	}
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case final.Failure != nil:
		return nil, final.Failure
	case final.Error != "":
		return nil, errors.New(final.Error)
	case final.Standing || final.Arm != nil:
		return final.Arm, nil
	}
	return nil, fmt.Errorf("its keeper ended without a result (%w)%s", errors.Join(err, ended), said.quote())
}
