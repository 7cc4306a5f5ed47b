package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
	"github.com/surefoot-rpc/surefoot/scenarios"
)

// findScenario reads a scenario by the name it has in the binary, or from a
// file when the name ends in .yaml.
func findScenario(name string) (*scenario.Scenario, error) {
	if strings.HasSuffix(name, ".yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("scenario file: %w", err)
		}
		return readScenario(name, text)
	}
	file := name + ".yaml"
	text, err := scenarios.Files.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("there is no scenario %q: %s, or the path of a .yaml file", name, scenario.OneOf(name, scenarioNames()))
	}
	if err != nil {
		return nil, err
	}
	return readScenario(path.Join("scenarios", file), text)
}

// readScenario reads a scenario and its contracts.
func readScenario(file string, text []byte) (*scenario.Scenario, error) {
	s, err := scenario.Parse(file, text)
	if err != nil {
		return nil, err
	}
	return s, checkContracts(file, s)
}

// all is the name for every scenario in the binary.
const all = "all"

// findScenarios reads all of them, and tells all that is wrong at once.
func findScenarios(names []string) ([]*scenario.Scenario, error) {
	var found []*scenario.Scenario
	var wrong []string
	if slices.Equal(names, []string{all}) {
		names = scenarioNames()
	}
	for _, name := range names {
		s, err := findScenario(name)
		_, inFile := errors.AsType[scenario.Errors](err)
		_, inContract := errors.AsType[contractError](err)
		switch {
		case err == nil:
			found = append(found, s)
		case inFile, inContract:
			wrong = append(wrong, err.Error()) // begins with file:line, for editors
		default:
			wrong = append(wrong, "surefoot: "+err.Error())
		}
	}
	if len(wrong) > 0 {
		return nil, exitError{exitUnable, strings.Join(wrong, "\n")}
	}
	return found, nil
}

// scenarioNames lists the scenarios in the binary, those of the default run
// first.
func scenarioNames() []string {
	names := scenarios.Order()
	// A pattern that is constant and valid cannot fail.
	files, _ := fs.Glob(scenarios.Files, "*.yaml")
	for _, file := range files {
		if name := strings.TrimSuffix(file, ".yaml"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// listScenarios prints each scenario's name, summary and intent.
func listScenarios(w io.Writer) error {
	bold, faint := lipgloss.NewStyle().Bold(true), lipgloss.NewStyle().Faint(true)
	for i, name := range scenarioNames() {
		s, err := findScenario(name)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		mark := ""
		if slices.Contains(scenarios.Order(), name) {
			mark = " (in the default run)"
		}
		fmt.Fprintf(w, "%s  %s%s\n", bold.Render(s.Name), s.Summary, mark)
		for _, line := range wrapped(s.Intent, 76) {
			fmt.Fprintf(w, "  %s\n", faint.Render(line))
		}
	}
	_, err := fmt.Fprintf(w, "\nRun one with: surefoot lab run %s; all with: surefoot lab run %s\n", scenarioNames()[0], all)
	return err
}
