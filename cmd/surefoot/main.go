// Command surefoot runs the tools of the project: the lab, which puts clients
// through faults on real processes, and explain, which shows what a contract
// means. See "surefoot --help".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitBroken      = 1   // an expectation of surefoot did not hold
	exitUnable      = 2   // nothing could be judged: wrong command line or file, or the run failed
	exitInterrupted = 130 // as a shell says of a program that SIGINT ended
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[exitError](err); ok {
		if exit.text != "" {
			fmt.Fprintln(os.Stderr, exit.text)
		}
		return exit.code
	}
	fmt.Fprintf(os.Stderr, "surefoot: %v\n", err)
	return exitUnable
}

// exitError ends the program with a code and a text of its own. Any other error
// means that it could not do what it was asked to.
type exitError struct {
	code int
	text string
}

// Error is the text to print; it may be empty.
func (e exitError) Error() string { return e.text }

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "surefoot",
		Short:         "Put gRPC clients through faults, and show what contracts mean",
		Version:       version(debug.ReadBuildInfo()),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetVersionTemplate("surefoot {{.Version}}\n")
	cmd.AddCommand(labCommand(), explainCommand())
	cmd.AddCommand(hiddenCommands()...)
	cmd.CompletionOptions.HiddenDefaultCmd = true
	return cmd
}
