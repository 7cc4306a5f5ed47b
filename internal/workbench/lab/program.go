package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// program is a process of ours in a pod, and what it says.
type program struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  *tail // the end of its standard error

	lines  chan protocol.Line // closed when it has closed its output
	exited chan struct{}      // closed when it has ended and was reaped
	doomed atomic.Bool        // we end it, so its end is no accident
	unread chan struct{}      // closed when nobody reads lines any more
	once   sync.Once          // closes unread
}

// maxLine bounds one line of a program's output; a tally is far below it.
const maxLine = 1 << 22

// launch starts this binary in a role, with the order as its argument.
func launch(s *spawner, roleArgs []string, name string, order any, env ...string) (*program, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	args := append(append([]string{}, roleArgs...), string(text))
	p := &program{
		name: name, said: &tail{},
		cmd:    exec.Command("/proc/self/exe", args...), //nolint:gosec,noctx // starts itself; ended by kill, which also notes that its end is meant
		lines:  make(chan protocol.Line),
		exited: make(chan struct{}),
		unread: make(chan struct{}),
	}
	// Nothing of the user's environment may bend the result: no proxies, no
	// GRPC_… settings. netdns=go makes the resolver the same on every machine.
	p.cmd.Env = append([]string{"GODEBUG=netdns=go", "PATH=/usr/bin:/bin"}, env...)
	p.cmd.Dir = "/"
	p.cmd.Stderr = p.said
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.follow(stdout)
	return p, nil
}

// follow passes the lines on and reaps the process at its end.
func (p *program) follow(stdout io.Reader) {
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		var line protocol.Line
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			line = protocol.Line{Error: fmt.Sprintf("said %q, which is not of the protocol", scanner.Text())}
		}
		select {
		case p.lines <- line:
		case <-p.unread:
		}
	}
	close(p.lines)
	_ = p.cmd.Wait() // how it ended is in cmd.ProcessState
	close(p.exited)
}

// next returns the next line of the program.
func (p *program) next(ctx context.Context) (protocol.Line, error) {
	select {
	case line, open := <-p.lines:
		switch {
		case !open:
			return protocol.Line{}, p.death(ctx)
		case line.Error != "":
			return protocol.Line{}, fmt.Errorf("%s: %s", p.name, line.Error)
		}
		return line, nil
	case <-ctx.Done():
		return protocol.Line{}, ctx.Err()
	}
}

// ready waits until the program reports that it is.
func (p *program) ready(ctx context.Context) error {
	line, err := p.next(ctx)
	if err == nil && !line.Ready {
		err = fmt.Errorf("%s spoke before it was ready", p.name)
	}
	return err
}

// tell sends one line to the program.
func (p *program) tell(order any) error {
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	if _, err := p.stdin.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("tell %s: %w", p.name, err)
	}
	return nil
}

// death waits for the end of a program that has closed its output and says how
// it came about.
func (p *program) death(ctx context.Context) error {
	select {
	case <-p.exited:
		return errors.New(p.name + " ended unasked, " + p.cmd.ProcessState.String() + p.said.quote())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signal sends a signal to the process.
func (p *program) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %v to %s: %w", s, p.name, err)
	}
	return nil
}

// end ends the process at once and does not wait until it is gone.
func (p *program) end() {
	p.doomed.Store(true)
	p.once.Do(func() { close(p.unread) })
	_ = p.cmd.Process.Kill() // it may have ended by itself
}

// kill ends the process at once and returns when it is gone.
func (p *program) kill() {
	p.end()
	<-p.exited
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex // guards kept
	kept []byte
}

const tailLimit = 4096

// Write keeps the last 4 KiB.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - tailLimit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

// quote is what was kept, as the end of an error message.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.kept)
	if len(text) == 0 {
		return ""
	}
	return "; its last words:\n  " + strings.ReplaceAll(string(text), "\n", "\n  ")
}
