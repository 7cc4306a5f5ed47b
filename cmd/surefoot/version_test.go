package main

import (
	"regexp"
	"runtime/debug"
	"testing"
)

func TestVersionSaysWhatTheToolWasBuiltFrom(t *testing.T) {
	grpc := &debug.Module{Path: "google.golang.org/grpc", Version: "v1.85.0"}
	deps := []*debug.Module{{Path: "google.golang.org/protobuf", Version: "v1.36.0"}, grpc}
	replaced := []*debug.Module{{Path: grpc.Path, Version: grpc.Version, Replace: &debug.Module{Path: "example.com/grpc", Version: "v1.85.1"}}}
	vcs := func(revision, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	const revision = "0123456789abcdef0123456789abcdef01234567"
	for _, c := range []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{"installed", debug.BuildInfo{GoVersion: "go1.26.7", Main: debug.Module{Version: "v0.3.0"}, Deps: deps}, "v0.3.0, go1.26.7, grpc-go v1.85.0"},
		{"in a clone", debug.BuildInfo{GoVersion: "go1.26.7", Main: debug.Module{Version: "(devel)"}, Deps: deps, Settings: vcs(revision, "true")}, "(devel), 0123456789ab, modified, go1.26.7, grpc-go v1.85.0"},
		{"stamped", debug.BuildInfo{GoVersion: "go1.26.7", Main: debug.Module{Version: "v0.0.0-20261125200705-0123456789ab+dirty"}, Settings: vcs(revision, "true")}, "v0.0.0-20261125200705-0123456789ab+dirty, go1.26.7"},
		{"of another grpc-go", debug.BuildInfo{GoVersion: "go1.26.7", Deps: replaced}, "(devel), go1.26.7, grpc-go v1.85.1"},
	} {
		if got := version(&c.info, true); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := version(nil, false); got != "built without a module" {
		t.Errorf("without build info: %q", got)
	}
}

func TestVersionFlag(t *testing.T) {
	got := tool(t, "--version")
	if want := regexp.MustCompile(`^surefoot \S+, (.*, )?go1\.\S+, grpc-go v1\.\S+\n$`); got.code != 0 || got.stderr != "" || !want.MatchString(got.stdout) {
		t.Errorf("exit %d, %q, %q", got.code, got.stdout, got.stderr)
	}
}
