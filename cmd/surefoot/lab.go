package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

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

const labHelp = `Put clients through faults, on real processes and a real network.

Each scenario runs once per arm: with grpc-go as it comes, with grpc-go and its
round_robin policy, with others that it names, and with surefoot. Without a
subcommand the scenarios of the default run are played. It needs neither root
nor tools of the system.

Exit codes:
    0  surefoot did what every scenario expects of it, but for those skipped
    1  it did not
    2  nothing could be judged: the command line or a scenario file is wrong, or
       the run failed
  130  interrupted`

func labCommand() *cobra.Command {
	var flags labFlags
	addFlags := func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&flags.json, "json", "", "also write the results as JSON to this `file`;\n- for standard output, and the scoreboard goes to\nstandard error")
		cmd.Flags().StringVar(&flags.isolation, "isolation", "", "`where` processes run: namespaces, or loopback,\nwhere faults of the network are skipped (default:\nnamespaces if this machine allows them)")
	}
	lab := &cobra.Command{
		Use:   "lab",
		Short: "Put clients through faults, on real processes and a real network",
		Long:  labHelp,
		Args:  noScenario,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runLab(cmd.Context(), flags, scenarios.Order()) },
	}
	run := &cobra.Command{
		Use:   "run NAME...",
		Short: "Run the named scenarios, or files that end in .yaml, or all",
		Args:  someScenario,
		RunE:  func(cmd *cobra.Command, names []string) error { return runLab(cmd.Context(), flags, names) },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios and what they are meant to show",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return listScenarios(colorful(cmd.OutOrStdout())) },
	}
	addFlags(lab)
	addFlags(run)
	lab.AddCommand(run, list)
	return lab
}

// noScenario refuses arguments, with a hint for who forgot the word run.
func noScenario(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if strings.HasSuffix(args[0], ".yaml") || slices.Contains(scenarioNames(), args[0]) {
		return fmt.Errorf("to run a scenario: %s run %s", cmd.CommandPath(), strings.Join(args, " "))
	}
	return fmt.Errorf("unknown command %q for %s: %s", args[0], cmd.CommandPath(), scenario.OneOf(args[0], []string{"run", "list"}))
}

// someScenario refuses to guess which scenarios are meant.
func someScenario(cmd *cobra.Command, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("no scenario is named: %[1]s NAME..., which %[2]s list lists; %[1]s all for all, %[2]s for the default run",
			cmd.CommandPath(), cmd.Parent().CommandPath())
	}
	return nil
}

func runLab(ctx context.Context, flags labFlags, names []string) (err error) {
	want, err := lab.ParseIsolation(flags.isolation)
	if err != nil {
		return err
	}
	todo, err := findScenarios(names)
	if err != nil {
		return err
	}
	people := io.Writer(os.Stdout)
	publish := func([]report.Scenario) error { return nil }
	switch flags.json {
	case "":
	case "-":
		people = os.Stderr
		publish = func(results []report.Scenario) error { return report.WriteJSON(os.Stdout, results) }
	default:
		file, err := openResults(flags.json)
		if err != nil {
			return err
		}
		published := false
		publish = func(results []report.Scenario) error { published = true; return file.write(results) }
		defer func() {
			if !published {
				err = errors.Join(err, file.abandon())
			}
		}()
	}
	results, err := play(ctx, people, want, todo)
	if err != nil {
		return err
	}
	if err := publish(results); err != nil {
		return fmt.Errorf("write the results to %s: %w", flags.json, err)
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

// interrupted tells a run that was ended from one that failed.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitError{exitInterrupted, "surefoot: interrupted; nothing was left behind"}
	}
	return err
}
