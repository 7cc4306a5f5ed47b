package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// Programs says how this binary is started in its hidden roles; the arguments
// stand before the order.
type Programs struct {
	Init   []string // process 1 of a private world
	Keeper []string
	Server []string
	Load   []string
}

// Keep is the keeper's program: it reads one job from in, does it in the world
// it was started in, and reports on out.
func Keep(ctx context.Context, programs Programs, in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(in).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no job: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("the job: %w", err)
	}
	k := &keeper{job: j, programs: programs, out: json.NewEncoder(out)}
	var answer message
	arm, err := k.do(ctx)
	refused, isRefusal := errors.AsType[*StepError](err)
	switch {
	case isRefusal:
		answer.Failure = refused
	case err != nil:
		answer.Error = err.Error()
	case j.Probe:
		answer.Standing = true
	default:
		answer.Arm = &arm
	}
	return k.send(answer)
}

type keeper struct {
	job      job
	programs Programs

	mu  sync.Mutex // guards out
	out *json.Encoder
}

func (k *keeper) send(m message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.out.Encode(m)
}

// do builds the world and, unless only that was asked for, runs the arm in it.
func (k *keeper) do(ctx context.Context) (report.Arm, error) {
	drops := k.job.Probe
	dns := scenario.DNS{}
	if k.job.Scenario != nil {
		dns = k.job.Scenario.DNS
		drops = drops || needsNetwork(k.job.Scenario)
	}
	w, err := build(k.job.Isolation, drops)
	if err != nil {
		return report.Arm{}, err
	}
	names, err := startNameserver(ctx, w.nameserver(), dns.TTL, dns.Shuffle)
	if err != nil {
		return report.Arm{}, err
	}
	defer names.close()
	if k.job.Probe {
		return report.Arm{}, nil
	}
	children := newSpawner()
	defer children.close()
	return k.run(ctx, &fleet{
		world: w, names: names, children: children, args: k.programs.Server,
		dns: dns, work: k.job.Scenario.Fleet.Work,
		servers: map[int]*program{}, keep: map[int]context.CancelFunc{},
		accidents: make(chan error, k.job.Scenario.Fleet.Servers),
	})
}

func needsNetwork(s *scenario.Scenario) bool {
	for _, f := range s.Timeline {
		if f.Kind.NeedsNetwork() {
			return true
		}
	}
	return false
}
