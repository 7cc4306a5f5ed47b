package attempt

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/policy"
)

var update = flag.Bool("update", false, "rewrite the steps in testdata/*.trace")

// TestTraces replays testdata/*.trace. A trace begins with the policies, in
// which only attempts need be given, then has one event on a line, at a time
// since the start:
//
//	call safety=idempotent attempts=3 backoff=25ms max=1s timeout=250ms deadline=1s elapsed=500ms budget=20%+1/s
//	0s begin
//	10ms finish lost fresh [r=0.5] [pushback=100ms] [stop]
//	35ms resume
//	250ms give-up? [nowhere]
//	260ms answered 10ms
//	500ms end fault
//	20ms hedge? fresh
//	25ms hedge-finish success
//	45ms resume-beside
//	600ms others calls=20 extra=1 failed=10
//
// deadline is the time at which the call's deadline passes. fresh says that an
// endpoint is left that was not tried; r is the dice for the backoff, 1 unless
// given. restricted says that the call is made for a repeat. hedge=20ms hedges=1
// load=5% lets it hedge, an attempt being in flight already; its hedges then are
// told of by hedge-finish. nowhere says that there is no other endpoint; answered,
// how long the repeat took on the same one. others is what the other calls of the channel do. What follows the arrow is rewritten by -update;
// a call that is refused must not be repeated by others either.
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
			got := replay(t, string(b))
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

func replay(t *testing.T, trace string) string {
	t.Helper()
	var (
		start  = time.Duration(0)
		policy policy.Method
		call   Call
		budget *Budget
		limit  *Budget
		out    strings.Builder
	)
	for i, line := range strings.Split(strings.TrimRight(trace, "\n"), "\n") {
		line, _, _ = strings.Cut(line, " -> ")
		out.WriteString(line)
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			out.WriteByte('\n')
			continue
		}
		bad := func(err error) { t.Fatalf("line %d: %q: %v", i+1, line, err) }
		if fields[0] == "call" {
			p, b, deadline, err := readPolicy(fields[1:], start)
			if err != nil {
				bad(err)
			}
			policy, budget = p, NewBudget(b, start)
			call = newCall(&policy, budget, Terms{Deadline: deadline, AttemptTimeout: policy.AttemptTimeout, Safety: policy.Safety})
			policy.Retry.UntilDeadline = slices.Contains(fields, "until-deadline")
			if slices.Contains(fields, "restricted") {
				call.Restrict()
			}
			limit = HedgeLimit(policy.Hedge, start)
			call.Hedge(new(Hedging), policy.Hedge.Delay, limit)
			out.WriteByte('\n')
			continue
		}
		at, err := time.ParseDuration(fields[0])
		if err != nil || len(fields) < 2 || budget == nil {
			bad(fmt.Errorf("want a time and an event after the call: %w", err))
		}
		answer, err := play(&call, budget, limit, start+at, fields[1], fields[2:])
		if err != nil {
			bad(err)
		}
		if answer != "" && call.Refused() {
			answer += ", refused"
		}
		if answer != "" {
			out.WriteString(" -> " + answer)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func play(call *Call, budget, limit *Budget, now time.Duration, event string, args []string) (string, error) {
	say := func(s Step) string { return written(s, call.HedgeAfter()) }
	switch event {
	case "begin":
		var waited time.Duration
		if len(args) > 0 {
			var err error
			if waited, err = time.ParseDuration(strings.TrimPrefix(args[0], "waited=")); err != nil {
				return "", err
			}
		}
		return say(call.BeginAfter(now, waited)), nil
	case "resume":
		return say(call.Resume(now)), nil
	case "resume-beside":
		return say(call.ResumeBeside(now)), nil
	case "hedge?":
		step := call.StartHedge(now, slices.Contains(args, "fresh"))
		if step.Action == Await && !call.MayHedge() {
			return "never again", nil
		}
		return say(step), nil
	case "give-up?":
		return map[bool]string{true: "yes", false: "no"}[call.GiveUp(now, !slices.Contains(args, "nowhere"))], nil
	case "answered":
		took, err := time.ParseDuration(args[0])
		call.Answered(took)
		return "", err
	case "others":
		for _, arg := range args {
			name, value, _ := strings.Cut(arg, "=")
			n, err := strconv.Atoi(value)
			if err != nil {
				return "", err
			}
			for range n {
				switch name {
				case "calls":
					budget.Call(now)
				case "hedging-calls":
					budget.Call(now)
					limit.Call(now)
				case "failed", "repeats-failed":
					budget.Failed(now, name == "repeats-failed")
				case "mended":
					budget.Mended(now)
				case "extra":
					if !budget.Pay(now) {
						return "", errors.New("the others have no budget")
					}
				default:
					return "", errors.New("unknown " + name)
				}
			}
		}
		return "", nil
	case "finish", "hedge-finish", "end":
		var pb outcome.Pushback
		fresh, r := false, uint64(math.MaxUint64)
		v, err := readVerdict(args)
		if err != nil {
			return "", err
		}
		for _, arg := range args[1:] {
			name, value, _ := strings.Cut(arg, "=")
			switch name {
			case "fresh":
				fresh = true
			case "none":
				call.Unplaced(call.method.WaitForReady > 0)
			case "stop":
				pb.Given, pb.Stop = true, true
			case "pushback":
				pb.Given = true
				if pb.After, err = time.ParseDuration(value); err != nil {
					return "", err
				}
			case "r":
				x, err := strconv.ParseFloat(value, 64)
				if err != nil || x < 0 || x >= 1 {
					return "", fmt.Errorf("r must be in [0, 1): %w", err)
				}
				r = uint64(x * (1 << 63) * 2)
			default:
				return "", errors.New("unknown " + name)
			}
		}
		if event == "end" {
			return say(call.End(now, v)), nil
		}
		if event == "hedge-finish" {
			return say(call.FinishHedge(now, v, pb, fresh, r)), nil
		}
		return say(call.Finish(now, v, pb, fresh, r)), nil
	default:
		return "", errors.New("unknown event")
	}
}

// written returns the step as traces write it, and when a hedge is to be asked for.
func written(s Step, hedge time.Duration) string {
	what := map[Action]string{Start: "start", Wait: "wait", Await: "await", Done: "done"}[s.Action]
	switch {
	case s.Action == Start && s.For > 0:
		what += fmt.Sprintf(" for %v", s.For)
	case s.For > 0:
		what += fmt.Sprintf(" %v", s.For)
	}
	if s.Action == Start && hedge > 0 {
		what += fmt.Sprintf(", hedge after %v", hedge)
	}
	if s.Why != "" {
		what += " (" + s.Why + ")"
	}
	return what
}

func readVerdict(args []string) (outcome.Verdict, error) {
	for v := outcome.Success; v <= outcome.Answer && len(args) > 0; v++ {
		if v.String() == args[0] {
			return v, nil
		}
	}
	return 0, errors.New("want a verdict")
}

func readPolicy(fields []string, start time.Duration) (m policy.Method, b policy.Budget, deadline time.Duration, err error) {
	b = policy.Budget{RatioPercent: 10_000, Window: 10 * time.Second}
	for _, f := range fields {
		if f == "restricted" || f == "until-deadline" {
			continue
		}
		name, value, _ := strings.Cut(f, "=")
		var d time.Duration
		switch name {
		case "backoff", "max", "timeout", "deadline", "ready", "hedge", "elapsed":
			if d, err = time.ParseDuration(value); err != nil {
				return m, b, deadline, err
			}
		}
		switch name {
		case "safety":
			m.Safety = map[string]policy.Safety{"idempotent": policy.Idempotent, "read-only": policy.ReadOnly}[value]
			if m.Safety.String() != value {
				err = errors.New("unknown safety")
			}
		case "attempts":
			m.Retry.MaxAttempts, err = strconv.Atoi(value)
		case "backoff":
			m.Retry.Backoff.Base = d
		case "max":
			m.Retry.Backoff.Max = d
		case "timeout":
			m.AttemptTimeout = d
		case "hedge":
			m.Hedge.Delay, m.Hedge.MaxHedges = d, max(m.Hedge.MaxHedges, 1)
		case "hedges":
			m.Hedge.MaxHedges, err = strconv.Atoi(value)
		case "load":
			_, err = fmt.Sscanf(value, "%d%%", &m.Hedge.ExtraLoadPercent)
		case "deadline":
			deadline = start + d
		case "ready":
			m.WaitForReady = d
		case "elapsed":
			m.Retry.MaxElapsed = d
		case "budget":
			_, err = fmt.Sscanf(value, "%d%%+%d/s", &b.RatioPercent, &b.MinPerSecond)
		default:
			err = errors.New("unknown " + name)
		}
		if err != nil {
			return m, b, deadline, err
		}
	}
	return m, b, deadline, nil
}

// The compiler keeps a struct in registers that has no more than four fields in four
// words; one that is larger is copied through memory at each return.
func TestAStepFitsIntoRegisters(t *testing.T) {
	if s := reflect.TypeFor[Step](); s.NumField() > 4 || s.Size() > 4*unsafe.Sizeof(uintptr(0)) {
		t.Errorf("a step has %d fields in %d bytes", s.NumField(), s.Size())
	}
}
