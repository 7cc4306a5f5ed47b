package liveness

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the orders in testdata/*.trace")

// TestTraces replays testdata/*.trace: a line is a number of connections, or an
// event at a time, with the connections it happens to:
//
//	connections 3
//	10ms sent 0
//	20ms write 0 1
//	500ms over | timeout | read | writing | written | ask | drop 0
//	500ms probe-sent | probe-over 0, of the latest probe, or 0#1 of the first
//	600ms socket 0 acked=100 unacked=0 unsent=0 unread=0, from now on
//	900ms stall 2s
//	5s wait
//
// Checks run by themselves, when they are due and when an attempt wakes them;
// stall holds them up. What they order is on the lines that begin with an
// arrow, which -update rewrites.
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

// A player runs checks between events.
type player struct {
	group       *Group
	connections []*Connection
	names       []int
	sockets     map[*Connection]Socket
	numbers     map[*Connection]uint64
	due         time.Duration
	out         strings.Builder
}

func (p *player) check(now time.Duration) {
	for c, s := range p.sockets {
		if c.Probing() {
			c.Look(s)
		}
	}
	orders, next := p.group.Check(now, p.connections)
	for _, o := range orders {
		fmt.Fprintf(&p.out, "-> %v %v %d\n", now, o.Action, p.names[o.Index])
		p.numbers[p.connections[o.Index]] = o.Probe
	}
	p.due = next
}

func (p *player) until(now time.Duration) {
	for p.due > 0 && p.due <= now {
		p.check(p.due)
	}
}

func replay(trace string) (string, error) {
	p := &player{group: New(quick()), sockets: make(map[*Connection]Socket), numbers: make(map[*Connection]uint64)}
	for line := range strings.SplitSeq(strings.TrimRight(trace, "\n"), "\n") {
		if strings.HasPrefix(line, "->") {
			continue
		}
		var n int
		switch _, err := fmt.Sscanf(line, "connections %d", &n); {
		case line == "" || strings.HasPrefix(line, "#"):
		case err == nil:
			for i := range n {
				p.connections, p.names = append(p.connections, new(Connection)), append(p.names, i)
			}
			p.check(time.Millisecond)
		default:
			at, event, ok := strings.Cut(line, " ")
			now, err := time.ParseDuration(at)
			if err != nil || !ok {
				return "", fmt.Errorf("%q: want a time and an event", line)
			}
			p.until(now)
			p.out.WriteString(line + "\n")
			if err := p.play(now, strings.Fields(event)); err != nil {
				return "", fmt.Errorf("%q: %w", line, err)
			}
			continue
		}
		p.out.WriteString(line + "\n")
	}
	return p.out.String(), nil
}

func (p *player) play(now time.Duration, event []string) error {
	switch event[0] {
	case "wait":
		return nil
	case "stall":
		d, err := time.ParseDuration(event[1])
		if err != nil {
			return err
		}
		if p.due > 0 {
			p.due = now + d
		}
		return nil
	case "socket":
		var name int
		var s Socket
		if _, err := fmt.Sscanf(strings.Join(event[1:], " "), "%d acked=%d unacked=%d unsent=%d unread=%d",
			&name, &s.Acked, &s.Unacked, &s.Unsent, &s.Unread); err != nil {
			return err
		}
		i := slices.Index(p.names, name)
		if i < 0 {
			return errors.New("no such connection")
		}
		p.sockets[p.connections[i]] = s
		return nil
	}
	for _, arg := range event[1:] {
		var name int
		var number uint64
		arg, of, numbered := strings.Cut(arg, "#")
		if _, err := fmt.Sscan(arg, &name); err != nil {
			return err
		}
		if numbered {
			if _, err := fmt.Sscan(of, &number); err != nil {
				return err
			}
		}
		i := slices.Index(p.names, name)
		if i < 0 {
			return errors.New("no such connection")
		}
		c := p.connections[i]
		if !numbered {
			number = p.numbers[c]
		}
		switch event[0] {
		case "sent":
			c.Written.Add(100)
			if c.Sent() {
				p.check(now)
			}
		case "over":
			c.Over(false)
		case "timeout":
			c.Over(true)
		case "read":
			c.Read.Add(100)
		case "writing":
			c.Writing.Store(true)
		case "written":
			c.Writing.Store(false)
			c.Written.Add(100)
		case "ask":
			if c.Ask() {
				p.check(now)
			}
		case "write":
			c.Written.Add(100)
		case "probe-sent":
			c.ProbeSent(number)
		case "probe-over":
			c.ProbeOver(number)
		case "drop":
			p.connections = slices.Delete(p.connections, i, i+1)
			p.names = slices.Delete(p.names, i, i+1)
		default:
			return errors.New("unknown event")
		}
	}
	return nil
}
