package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
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
	s := k.job.Scenario
	if k.job.Probe {
		s = &scenario.Scenario{}
	}
	w, err := build(k.job.Isolation, k.job.Probe || s.DropsPackets())
	if err != nil {
		return report.Arm{}, err
	}
	names, err := startNameserver(ctx, w.nameserver(), s.DNS.TTL, s.DNS.Shuffle, layers(s, w))
	if err != nil {
		return report.Arm{}, err
	}
	defer names.close()
	if k.job.Probe {
		return report.Arm{}, nil
	}
	servers, err := k.register(w, names)
	if err != nil {
		return report.Arm{}, err
	}
	children := newSpawner()
	defer children.close()
	f := &fleet{
		world: w, names: names, registry: servers, children: children, args: k.programs.Server,
		scenario: s, arm: k.job.Arm,
		servers: map[int]*program{}, keep: map[int]context.CancelFunc{},
		accidents: make(chan error, s.Fleet.Servers),
	}
	return k.run(ctx, f)
}

// layers says to which service an address belongs; one at which nobody lives is
// of the first.
func layers(s *scenario.Scenario, w world) func(netip.Addr) int {
	of := map[netip.Addr]int{}
	for n := 1; n <= s.Fleet.Servers; n++ {
		of[w.address(n)] = s.Layer(n)
	}
	return func(a netip.Addr) int { return max(of[a], 1) }
}

// register lists what is in DNS whether or not servers live, and returns the
// registry of those that do.
func (k *keeper) register(w world, names *nameserver) (registry, error) {
	dns := k.job.Scenario.DNS
	for i := 1; i <= dns.Refusing+dns.Silent; i++ {
		at := vacant(w, i)
		names.list(at)
		if i <= dns.Refusing {
			continue
		}
		if err := w.silence(at); err != nil {
			return nil, err
		}
	}
	if !dns.VirtualIP {
		return dnsRegistry{names}, nil
	}
	service, at, err := w.service()
	if err != nil {
		return nil, err
	}
	names.list(at)
	return service, nil
}
