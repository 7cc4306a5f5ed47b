package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"google.golang.org/grpc/resolver"
)

// serveEnv asks a program for nothing but so many servers.
const serveEnv = "SUREFOOT_BENCH_SERVERS"

// StartApart starts n servers in a process of their own, as those of a client are:
// then what is measured is the client, which shares neither its scheduler nor its
// heap with them. That process runs this program, which must call [ServeIfAsked]
// before all else; it ends with this one, if not before.
func StartApart(n int) (*Servers, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("servers in a process of their own: %w", err)
	}
	cmd := exec.Command(exe) //nolint:gosec,noctx // this program; it ends with its input
	cmd.Env = append(os.Environ(), serveEnv+"="+strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("servers in a process of their own: %w", err)
	}
	s := &Servers{apart: &process{cmd, in}}
	for lines := bufio.NewScanner(out); len(s.endpoints) < n; {
		if !lines.Scan() {
			s.Stop()
			return nil, errors.New("servers in a process of their own: they did not start")
		}
		s.add(lines.Text())
	}
	return s, nil
}

// ServeIfAsked runs servers until its input ends, and does not return then, if this
// process was started for that by [StartApart].
func ServeIfAsked() {
	asked := os.Getenv(serveEnv)
	if asked == "" {
		return
	}
	if err := serve(asked, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs as many servers as asked for, says where, and ends with in.
func serve(asked string, in io.Reader, out io.Writer) error {
	n, err := strconv.Atoi(asked)
	if err != nil {
		return fmt.Errorf("%s: %w", serveEnv, err)
	}
	s, err := Start(n)
	if err != nil {
		return err
	}
	defer s.Stop()
	for _, e := range s.endpoints {
		fmt.Fprintln(out, e.Addresses[0].Addr)
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// A process is one that runs servers.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
}

// stop ends it and waits until it has.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

func (s *Servers) add(addr string) {
	s.endpoints = append(s.endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
}
