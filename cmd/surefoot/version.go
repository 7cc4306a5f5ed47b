package main

import (
	"runtime/debug"
	"strings"
)

// version says what the tool was built from, in one line: for whoever reports
// what it did.
func version(info *debug.BuildInfo, known bool) string {
	if !known {
		return "built without a module"
	}
	said := map[string]string{}
	for _, s := range info.Settings {
		said[s.Key] = s.Value
	}
	parts := []string{info.Main.Version}
	if info.Main.Version == "" {
		parts[0] = "(devel)"
	}
	if r := said["vcs.revision"]; r != "" && !strings.Contains(parts[0], r[:min(len(r), 12)]) {
		parts = append(parts, r[:min(len(r), 12)])
	}
	if said["vcs.modified"] == "true" && !strings.Contains(parts[0], "dirty") {
		parts = append(parts, "modified")
	}
	parts = append(parts, info.GoVersion)
	for _, dep := range info.Deps {
		if dep.Path == "google.golang.org/grpc" {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			parts = append(parts, "grpc-go "+dep.Version)
		}
	}
	return strings.Join(parts, ", ")
}
