package breaker

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

var update = flag.Bool("update", false, "rewrite what testdata/*.trace say was decided")

// TestTraces replays testdata/*.trace. A trace begins with a policy, then has
// one event on a line, at a time since the start:
//
//	policy calls=4 ratio=50% window=10s open=5s..20s trials=2 successes=2
//	0s call a b c [r=0.5]
//	1s done fault a b
//	1s 20 success
//	2s answered c
//	3s policy off dry-run row=3 throttle=200%..90% in-flight=2
//	4s status
//
// call asks for calls by their names, done ends them with a verdict; a number
// with a verdict asks for so many calls and ends each at once. r is the dice, 0
// unless given, which is the longest opening and the call that is held back
// first. A later policy changes what it names. What follows the arrow is
// rewritten by -update.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.trace")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".trace"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := replay(string(b))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := strings.Split(string(b), "\n")
			for i, line := range strings.Split(got, "\n") {
				if i >= len(want) || want[i] != line {
					t.Fatalf("%s:%d: got %q\nrun with -update if that is right", file, i+1, line)
				}
			}
		})
	}
}

// A player is one trace on its way.
type player struct {
	policy  policy.Breaker
	breaker *Breaker
	calls   map[string]Ticket
	dice    map[string]uint64 // of each call, for the length of an opening
	said    []string
}

func replay(trace string) (string, error) {
	var out strings.Builder
	p := player{calls: make(map[string]Ticket), dice: make(map[string]uint64)}
	for i, line := range strings.Split(strings.TrimRight(trace, "\n"), "\n") {
		line, _, _ = strings.Cut(line, " -> ")
		out.WriteString(line)
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(line, "#") {
			p.said = nil
			if err := p.play(fields); err != nil {
				return "", fmt.Errorf("line %d: %q: %w", i+1, line, err)
			}
			if len(p.said) > 0 {
				out.WriteString(" -> " + strings.Join(p.said, "; "))
			}
		}
		out.WriteByte('\n')
	}
	return out.String(), nil
}

func (p *player) play(fields []string) error {
	if fields[0] == "policy" {
		err := p.change(fields[1:])
		p.breaker = New(p.policy, start)
		return errors.Join(err, p.policy.Validate())
	}
	at, err := time.ParseDuration(fields[0])
	if err != nil || len(fields) < 2 || p.breaker == nil {
		return fmt.Errorf("want a time and an event after the policy: %w", err)
	}
	now, event, args := start+at, fields[1], fields[2:]
	switch event {
	case "call":
		return p.ask(now, args)
	case "answered":
		for _, name := range args {
			rest, c := p.breaker.Answered(now, p.calls[name])
			p.calls[name] = rest
			p.say(c)
		}
		return nil
	case "done":
		v, err := readVerdict(args)
		for _, name := range args[1:] {
			p.say(p.breaker.Done(now, p.calls[name], v, p.dice[name]))
			delete(p.calls, name)
		}
		return err
	case "status":
		s := p.breaker.Status(now)
		p.said = append(p.said, fmt.Sprintf("%v, %d succeeded, %d failed, %d refused, %d held back, %d%% throttled, %d trials, %d in flight",
			s.State, s.Succeeded, s.Failed, s.Refused, s.HeldBack, s.ThrottlePercent, s.Trials, s.InFlight))
		return nil
	case "policy":
		if err := errors.Join(p.change(args), p.policy.Validate()); err != nil {
			return err
		}
		p.say(p.breaker.Configure(now, p.policy))
		return nil
	}
	return p.many(now, event, args)
}

// ask asks for calls by their names.
func (p *player) ask(now time.Duration, names []string) error {
	random := uint64(0)
	for _, name := range names {
		if dice, ok := strings.CutPrefix(name, "r="); ok {
			r, err := strconv.ParseFloat(dice, 64)
			if err != nil || r < 0 || r >= 1 {
				return fmt.Errorf("r must be in [0, 1): %w", err)
			}
			random = uint64(r*math.MaxUint32) << 32
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "r=") {
			continue
		}
		t, d, c := p.breaker.Allow(now, random)
		p.say(c)
		if d.Reason != Admitted {
			said := fmt.Sprintf("%s: %v", name, d.Reason)
			if d.Wait > 0 {
				said += fmt.Sprintf(" for %v", d.Wait)
			}
			if d.DryRun {
				said += " (dry run)"
			}
			p.said = append(p.said, said)
		}
		if !d.Denied() {
			p.calls[name], p.dice[name] = t, random
		}
	}
	return nil
}

// many asks for n calls and ends each at once.
func (p *player) many(now time.Duration, number string, args []string) error {
	n, err1 := strconv.Atoi(number)
	v, err2 := readVerdict(args)
	denied := 0
	for i := range n {
		// Dice that come out as often on every part of their range.
		t, d, c := p.breaker.Allow(now, (uint64(i)<<32+1<<31)/uint64(n)<<32)
		p.say(c)
		if d.Reason != Admitted {
			denied++
		}
		if !d.Denied() {
			p.say(p.breaker.Done(now, t, v, 0))
		}
	}
	if denied > 0 {
		p.said = append(p.said, fmt.Sprintf("%d of %d denied", denied, n))
	}
	return errors.Join(err1, err2)
}

func (p *player) say(c *Change) {
	if c == nil {
		return
	}
	said := c.To.String()
	if c.For > 0 {
		said += fmt.Sprintf(" for %v", c.For)
	}
	if c.DryRun {
		said += ", dry run"
	}
	p.said = append(p.said, fmt.Sprintf("%s (%s)", said, c.Why))
}

func readVerdict(args []string) (outcome.Verdict, error) {
	for v := outcome.Success; v <= outcome.Answer && len(args) > 0; v++ {
		if v.String() == args[0] {
			return v, nil
		}
	}
	return 0, errors.New("want a verdict")
}

// change applies the fields of a policy.
func (p *player) change(fields []string) error {
	b := &p.policy
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		var err error
		switch name {
		case "off":
			b.Off = true
		case "on":
			b.Off = false
		case "dry-run":
			b.DryRun = true
		case "calls":
			b.MinCalls, err = strconv.Atoi(value)
		case "ratio":
			_, err = fmt.Sscanf(value, "%d%%", &b.FailurePercent)
		case "row":
			b.ConsecutiveFailures, err = strconv.Atoi(value)
		case "window":
			b.Window, err = time.ParseDuration(value)
		case "open":
			first, last, _ := strings.Cut(value, "..")
			var err2 error
			b.Open, err = time.ParseDuration(first)
			b.MaxOpen, err2 = time.ParseDuration(last)
			err = errors.Join(err, err2)
		case "trials":
			b.Trials, err = strconv.Atoi(value)
		case "successes":
			b.Successes, err = strconv.Atoi(value)
		case "throttle":
			_, err = fmt.Sscanf(value, "%d%%..%d%%", &b.Throttle.AcceptPercent, &b.Throttle.MaxPercent)
		case "in-flight":
			b.MaxInFlight, err = strconv.Atoi(value)
		default:
			err = errors.New("unknown " + name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
