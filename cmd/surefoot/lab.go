package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/surefoot-rpc/surefoot/internal/workbench/lab"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
	"github.com/surefoot-rpc/surefoot/scenarios"
)

// labFlags are what a person may say about a run.
type labFlags struct {
	json      string
	isolation string
}

func labCommand() *cobra.Command {
	var flags labFlags
	run := func(cmd *cobra.Command, names []string) error { return runLab(cmd.Context(), flags, names) }
	addFlags := func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&flags.json, "json", "", "also write the results as JSON to this `file` (- for standard output, then the scoreboard goes to standard error)")
		cmd.Flags().StringVar(&flags.isolation, "isolation", "", "namespaces or loopback; chosen by itself when absent")
		if err := cmd.Flags().MarkHidden("isolation"); err != nil {
			panic(err) // the flag was added one line above
		}
	}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Put clients through faults, on real processes and a real network",
		Long: `Put clients through faults, on real processes and a real network.

Each scenario runs three times: with grpc-go as it comes, with grpc-go and its
round_robin policy, and with surefoot. Without a subcommand all scenarios of the
default run are played. It needs neither root nor tools of the system.

It exits with 1 when surefoot does not do what a scenario expects of it, and
with 2 when the command line or a scenario file is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, scenarios.Order()) },
	}
	addFlags(cmd)
	one := &cobra.Command{
		Use:   "run NAME...",
		Short: "Run the named scenarios, or files that end in .yaml",
		Args:  cobra.MinimumNArgs(1),
		RunE:  run,
	}
	addFlags(one)
	list := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios and what they are meant to show",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listScenarios(colorprofile.NewWriter(cmd.OutOrStdout(), os.Environ()))
		},
	}
	cmd.AddCommand(one, list)
	return cmd
}

func runLab(ctx context.Context, flags labFlags, names []string) error {
	want, err := lab.ParseIsolation(flags.isolation)
	if err != nil {
		return err
	}
	var todo []*scenario.Scenario
	var wrong error
	for _, name := range names {
		s, err := findScenario(name)
		wrong = errors.Join(wrong, err)
		todo = append(todo, s)
	}
	if wrong != nil {
		return exitError{exitUsage, wrong.Error()}
	}
	people := io.Writer(os.Stdout)
	var machine io.Writer
	switch flags.json {
	case "":
	case "-":
		people, machine = os.Stderr, os.Stdout
	default:
		// Opened first, so that a wrong path does not cost a run.
		file, err := os.Create(flags.json)
		if err != nil {
			return fmt.Errorf("--json: %w", err)
		}
		defer func() { _ = file.Close() }() // closed and checked below; again only on an early return
		machine = file
	}
	results, err := play(ctx, people, want, todo)
	if err != nil {
		return err
	}
	if machine != nil {
		if err := report.WriteJSON(machine, results); err != nil {
			return broken(fmt.Errorf("write the results to %s: %w", flags.json, err))
		}
	}
	if slices.ContainsFunc(results, func(r report.Scenario) bool { return !r.Kept() }) {
		return exitError{code: exitBroken}
	}
	return nil
}

// play runs the scenarios and shows people what happens.
func play(ctx context.Context, people io.Writer, want lab.Isolation, todo []*scenario.Scenario) ([]report.Scenario, error) {
	screen := newScreen(people, todo)
	defer screen.close()
	l, err := lab.Open(ctx, programs(), want)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	defer l.Close()
	screen.opened(l)
	var results []report.Scenario
	for _, s := range todo {
		result, err := l.Run(ctx, s, screen.progress)
		if err != nil {
			screen.close()
			return nil, interrupted(ctx, err)
		}
		results = append(results, result)
		screen.scenario(result)
	}
	screen.summary(results)
	return results, nil
}

// interrupted is what a failed run means for the exit code.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitError{130, "surefoot: interrupted; nothing was left behind"}
	}
	return broken(err)
}
