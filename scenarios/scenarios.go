// Package scenarios holds the scenario files, so that the tools find them from
// any directory.
package scenarios

import "embed"

// Files are the scenarios, one .yaml each. They are parsed by
// internal/workbench/scenario.
//
//go:embed *.yaml
var Files embed.FS

// Order lists the scenarios of the default run, quickest to understand first.
func Order() []string { return []string{"even-load", "kill", "silent-drop"} }
