package dnscache

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the steps in testdata/*.trace")

// TestTraces replays testdata/*.trace. A trace has one command on a line, each
// at a time since the start:
//
//	config min=1s max=5m stale=10s base=100ms limit=30s hint=1s
//	5s asked
//	5s answer ttl=5s r=0.5 10.0.0.1 10.0.0.2 [unanswered=4|6|46[@host]]
//	5s answer ttl=5s r=0 10.0.0.1:80/7@host
//	5s fail r=1 SERVFAIL
//	7s hint
//	8s due [used]
//	9s wake
//	9s suspended
//
// A record is its address, port, weight and host.
//
// The indented line after a command is the step that it led to, rewritten by
// -update.
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
	start := time.Unix(0, 0)
	var cfg Config
	e := New(cfg)
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimRight(trace, "\n"), "\n") {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		fmt.Fprintln(&out, line)
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		bad := func(err error) { t.Fatalf("line %d: %q: %v", i+1, line, err) }
		if fields[0] == "config" {
			for _, f := range fields[1:] {
				name, value, _ := strings.Cut(f, "=")
				d, err := time.ParseDuration(value)
				if err != nil {
					bad(err)
				}
				switch name {
				case "min":
					cfg.MinTTL = d
				case "max":
					cfg.MaxTTL = d
				case "stale":
					cfg.MaxStale = d
				case "base":
					cfg.BackoffBase = d
				case "limit":
					cfg.BackoffMax = d
				case "hint":
					cfg.HintInterval = d
				default:
					bad(errors.New("unknown setting " + name))
				}
			}
			e = New(cfg)
			continue
		}
		at, err := time.ParseDuration(fields[0])
		if err != nil || len(fields) < 2 {
			bad(fmt.Errorf("want a time and a command: %w", err))
		}
		now := start.Add(at)
		var a Answer
		var r uint64
		var rest []string
		for _, f := range fields[2:] {
			name, value, ok := strings.Cut(f, "=")
			switch {
			case !ok:
				rest = append(rest, f)
			case name == "ttl":
				if a.TTL, err = time.ParseDuration(value); err != nil {
					bad(err)
				}
			case name == "r":
				x, err := strconv.ParseFloat(value, 64)
				if err != nil {
					bad(err)
				}
				if r = math.MaxUint64; x < 1 {
					r = uint64(x * (1 << 63) * 2)
				}
			case name == "unanswered":
				families := map[string]Families{"4": IPv4, "6": IPv6, "46": IPv4 | IPv6}
				which, host, of := strings.Cut(value, "@")
				if !of {
					a.Unanswered = families[which]
					break
				}
				if a.UnansweredOf == nil {
					a.UnansweredOf = map[string]Families{}
				}
				a.UnansweredOf[host] = families[which]
			default:
				bad(errors.New("unknown " + name))
			}
		}
		var step Step
		switch fields[1] {
		case "asked":
			e.Asked(now)
			continue
		case "suspended":
			e.Suspended()
			continue
		case "answer":
			for _, f := range rest {
				a.Records = append(a.Records, parseRecord(f))
			}
			step = e.Answer(now, r, a)
		case "fail":
			step = e.Fail(now, r, errors.New(strings.Join(rest, " ")))
		case "hint":
			step = e.ResolveNow(now, r)
		case "wake":
			step = e.Wake(now, r)
		case "due":
			var ask bool
			step, ask = e.Due(now, r, len(rest) > 0 && rest[0] == "used")
			if ask {
				e.Asked(now)
				fmt.Fprintf(&out, "\t%s\n", step.Why)
				continue
			}
		default:
			bad(errors.New("unknown command"))
		}
		fmt.Fprintf(&out, "\t%s", step.Why)
		if !step.Idle {
			fmt.Fprintf(&out, "; next %v", step.NextAsk.Sub(start))
		}
		if step.Publish != nil {
			fmt.Fprintf(&out, "; publish %v", step.Publish)
		}
		if step.Err != nil {
			fmt.Fprintf(&out, "; error: %v", step.Err)
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

func parseRecord(s string) Record {
	s, host, _ := strings.Cut(s, "@")
	s, weight, _ := strings.Cut(s, "/")
	r := Record{Host: host}
	if weight != "" {
		w, err := strconv.ParseUint(weight, 10, 16)
		if err != nil {
			panic(err)
		}
		r.Weight = uint16(w)
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		r.Addr, r.Port = ap.Addr(), ap.Port()
	} else {
		r.Addr = netip.MustParseAddr(s)
	}
	return r
}
