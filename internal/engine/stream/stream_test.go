package stream_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/stream"
	"github.com/surefoot-rpc/surefoot/policy"
)

const (
	ms   = time.Millisecond
	open = time.Second // when streams of these tests are opened
)

// A caller is what a test does with a stream.
type caller struct {
	at             time.Duration
	receive, send  int  // +1 begins to wait, -1 ends
	message, bytes bool // arrives
}

// run drives a watch as its driver does, by its own times, until the time
// until. What is due at a time happens before what the caller does then. It
// returns what happened.
func run(w stream.Watch, script []caller, until time.Duration) (log []string) {
	f := stream.Facts{Now: open}
	next := w.Check(f).Next
	for {
		for len(script) > 0 && (next == 0 || script[0].at < next) {
			apply(&f, script[0])
			script = script[1:]
		}
		if next == 0 || next > until {
			return log
		}
		f.Now = next
		s := w.Check(f)
		if s.Probe {
			log = append(log, fmt.Sprintf("%v probe", f.Now))
		}
		if s.End != stream.NoEnd {
			return append(log, fmt.Sprintf("%v %v", f.Now, s.End))
		}
		if s.Next != 0 && s.Next <= f.Now {
			return append(log, fmt.Sprintf("%v check again at %v", f.Now, s.Next))
		}
		next = s.Next
	}
}

func apply(f *stream.Facts, c caller) {
	if c.bytes || c.message {
		f.Read++
	}
	f.Started = f.Started || c.message
	if c.message && f.Receiving > 0 { // and waits for the next one
		f.Receiving, f.Before = c.at, f.Read
	}
	switch {
	case c.receive > 0:
		f.Receiving, f.Before = c.at, f.Read
	case c.receive < 0:
		f.Receiving = 0
	}
	switch {
	case c.send > 0:
		f.Sending = c.at
	case c.send < 0:
		f.Sending = 0
	}
}

func TestAStreamIsWatched(t *testing.T) {
	const s = time.Second
	reading := caller{at: open, receive: 1}
	for _, c := range []struct {
		name   string
		policy policy.Stream
		script []caller
		want   string
	}{
		{name: "without limits", script: []caller{reading}, want: "[]"},
		{"nobody reads", policy.Stream{FirstMessageTimeout: s, Silence: s, SilenceBreaks: true, SendTimeout: s}, nil, "[]"},
		{"the first message does not come", policy.Stream{FirstMessageTimeout: 3 * s}, []caller{reading}, "[4s no first message]"},
		{"a wait that begins later", policy.Stream{FirstMessageTimeout: 3 * s}, []caller{{at: 5 * s, receive: 1}}, "[8s no first message]"},
		{"the first message comes", policy.Stream{FirstMessageTimeout: 3 * s}, []caller{reading, {at: 3*s + 999*ms, message: true}}, "[]"},
		{"it comes when nobody waits", policy.Stream{FirstMessageTimeout: 3 * s}, []caller{reading, {at: 3*s + 999*ms, receive: -1}}, "[]"},
		{"silence is probed, each time later", policy.Stream{Silence: 10 * s}, []caller{reading},
			"[11s probe 31s probe 1m11s probe 2m31s probe 5m11s probe 10m31s probe 15m51s probe]"},
		{"a message ends the silence", policy.Stream{Silence: 10 * s},
			[]caller{reading, {at: 9 * s, message: true}, {at: 18 * s, message: true}, {at: 27 * s, receive: -1}}, "[]"},
		{"each wait is measured anew", policy.Stream{Silence: 10 * s}, []caller{reading, {at: 40 * s, message: true}, {at: 55 * s, receive: -1}},
			"[11s probe 31s probe 50s probe]"},
		{"whoever talks on the connection lives", policy.Stream{Silence: 10 * s}, []caller{reading, {at: 5 * s, bytes: true}, {at: 40 * s, receive: -1}},
			"[21s probe]"},
		{"silence that breaks", policy.Stream{Silence: 10 * s, SilenceBreaks: true},
			[]caller{reading, {at: 5 * s, bytes: true}, {at: 7 * s, message: true}}, "[17s silent]"},
		{"age", policy.Stream{MaxAge: 60 * s}, nil, "[1m1s aged]"},
		{"age, of one that talks", policy.Stream{MaxAge: 60 * s, Silence: 50 * s}, []caller{reading, {at: 30 * s, message: true}}, "[1m1s aged]"},
		{"a send that waits", policy.Stream{SendTimeout: 2 * s}, []caller{{at: 4 * s, send: 1}}, "[6s blocked]"},
		{"sends that do not", policy.Stream{SendTimeout: 2 * s}, []caller{{at: 4 * s, send: 1}, {at: 5 * s, send: -1}, {at: 6 * s, send: 1}, {at: 7 * s, send: -1}}, "[]"},
	} {
		w := stream.New(c.policy, open, 0)
		if got := fmt.Sprint(run(w, c.script, 1000*s)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestStreamsThatBeginTogetherDoNotEndTogether(t *testing.T) {
	ends := make(map[string]bool)
	soonest := time.Minute
	for r := range uint64(1000) {
		got := run(stream.New(policy.Stream{MaxAge: time.Minute}, open, r*0x9E3779B97F4A7C15), nil, time.Hour)
		end, err := time.ParseDuration(got[0][:len(got[0])-len(" aged")])
		if age := end - open; err != nil || age < 54*time.Second || age > time.Minute {
			t.Fatalf("%q, %v", got, err)
		}
		ends[got[0]] = true
		soonest = min(soonest, end-open)
	}
	if soonest > 54*time.Second+50*time.Millisecond {
		t.Errorf("none ends before %v, and up to a tenth of a minute is said", soonest)
	}
	if len(ends) < 990 {
		t.Errorf("%d ends of 1000 streams", len(ends))
	}
}

// A model looks at every millisecond.
type model struct {
	policy policy.Stream
	f      stream.Facts
	quiet  uint64        // bytes read when the silence was last looked at
	look   time.Duration // when it is
	probes uint
	ended  bool
}

func (m *model) wait() {
	m.quiet, m.probes, m.look = m.f.Before, 0, m.f.Receiving+m.policy.Silence
}

func (m *model) tick(now time.Duration) (log []string) {
	f, p := m.f, m.policy
	since := func(began time.Duration) time.Duration {
		if began == 0 {
			return -1
		}
		return now - began
	}
	end := stream.NoEnd
	switch {
	case p.MaxAge > 0 && now-open >= p.MaxAge:
		end = stream.Aged
	case p.FirstMessageTimeout > 0 && !f.Started && since(f.Receiving) >= p.FirstMessageTimeout:
		end = stream.NoFirstMessage
	case p.Silence > 0 && p.SilenceBreaks && since(f.Receiving) >= p.Silence:
		end = stream.Silent
	case p.SendTimeout > 0 && since(f.Sending) >= p.SendTimeout:
		end = stream.Blocked
	}
	if end != stream.NoEnd {
		m.ended = true
		return []string{fmt.Sprintf("%v %v", now, end)}
	}
	if p.Silence > 0 && f.Receiving > 0 && now == m.look {
		if f.Read == m.quiet {
			m.probes = min(m.probes+1, 5)
			log = []string{fmt.Sprintf("%v probe", now)}
		}
		m.quiet, m.look = f.Read, now+p.Silence<<m.probes
	}
	return log
}

// FuzzWatch compares what a watch does at its own times with a model that looks
// all the time. Two bytes are a step: what the caller does, and when.
func FuzzWatch(f *testing.F) {
	f.Add(uint8(3), uint8(10), false, uint8(0), uint8(0), []byte{0, 1, 4, 20, 3, 9, 1, 5, 0, 200})
	f.Add(uint8(0), uint8(7), true, uint8(90), uint8(5), []byte{2, 1, 3, 3, 0, 5, 5, 6, 4, 2})
	r := rand.New(rand.NewPCG(1, 2))
	for range 64 {
		steps := make([]byte, 60)
		for i := range steps {
			steps[i] = byte(r.Uint32())
		}
		f.Add(uint8(r.IntN(3)*20), uint8(r.IntN(3)*15), r.IntN(4) == 0, uint8(r.IntN(3)*100), uint8(r.IntN(3)*25), steps)
	}
	f.Fuzz(func(t *testing.T, first, silence uint8, breaks bool, age, send uint8, steps []byte) {
		p := policy.Stream{
			FirstMessageTimeout: time.Duration(first) * ms, Silence: time.Duration(silence) * ms,
			SilenceBreaks: breaks && silence > 0, MaxAge: time.Duration(age) * ms * 4, SendTimeout: time.Duration(send) * ms,
		}
		m := model{policy: p, f: stream.Facts{Now: open}}
		var script []caller
		var want []string
		now := open
		for ; len(steps) >= 2; steps = steps[2:] {
			for range int(steps[1]%64) + 1 { // a millisecond in which nothing happens
				now += ms
				if !m.ended {
					want = append(want, m.tick(now)...)
				}
			}
			c := caller{at: now}
			was := m.f.Receiving
			switch steps[0] % 6 {
			case 0:
				c.receive = 1
			case 1:
				c.receive = -1
			case 2:
				c.send = 1
			case 3:
				c.send = -1
			case 4:
				c.message = m.f.Receiving > 0
			case 5:
				c.bytes = true
			}
			if c.receive > 0 && was > 0 || c.send > 0 && m.f.Sending > 0 {
				continue
			}
			apply(&m.f, c)
			if m.f.Receiving != was {
				m.wait()
			}
			script = append(script, c)
		}
		for range 700 {
			now += ms
			if !m.ended {
				want = append(want, m.tick(now)...)
			}
		}
		got := run(stream.New(p, open, 0), script, now)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v, %+v:\n got %q\nwant %q", p, script, got, want)
		}
	})
}
