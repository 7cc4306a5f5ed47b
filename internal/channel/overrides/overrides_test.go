package overrides

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// watched is a watcher of path whose "overrides" are the words of the file, and
// what it told and used.
type watched struct {
	watcher
	told []observe.Override
	used []string
}

func watchFile(t *testing.T, path string) *watched {
	t.Helper()
	w := &watched{}
	var parsed string
	w.Config = Config{
		Source: contract.OverrideSource{Path: path, MaxSize: 64, Parse: func(_ string, text []byte) (*contract.Overrides, error) {
			if strings.Contains(string(text), "bad") {
				return nil, errors.New("o:1: bad")
			}
			parsed = strings.TrimSpace(string(text))
			return &contract.Overrides{List: make([]*surefootv1.Override, len(strings.Fields(parsed)))}, nil
		}},
		Compile: func(*contract.Overrides) (*contract.Table, error) {
			if strings.Contains(parsed, "unfit") {
				return nil, errors.New("o:1: unfit")
			}
			return contract.Compile(contract.Sources{})
		},
		Use:  func(*contract.Table) { w.used = append(w.used, parsed) },
		Tell: func(o observe.Override) { w.told = append(w.told, o) },
	}
	return w
}

func (w *watched) check(t *testing.T, step string, used, told int) {
	t.Helper()
	if len(w.used) != used || len(w.told) != told {
		t.Fatalf("%s: used %q, told %+v; want %d and %d", step, w.used, w.told, used, told)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeIsUsedWhenTwoReadingsAgree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.yaml")
	write(t, path, "one")
	w := watchFile(t, path)
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	w.check(t, "at the start", 1, 1)
	w.look()
	w.check(t, "unchanged", 1, 1)
	write(t, path, "one tw") // half written
	w.look()
	write(t, path, "one two")
	w.look()
	w.check(t, "while it is being written", 1, 1)
	w.look()
	w.check(t, "when it is written", 2, 2)
	w.look()
	w.check(t, "later", 2, 2)
	if last := w.told[1]; w.used[1] != "one two" || last.InUse != 2 || last.Refused || last.Err != nil {
		t.Errorf("used %q, told %+v", w.used, last)
	}
}

func TestABadFileLeavesTheLastGoodOneInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.yaml")
	write(t, path, "one two")
	w := watchFile(t, path)
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	refused := func(step string) {
		t.Helper()
		before := len(w.told)
		for range 5 {
			w.look()
		}
		w.check(t, step, 1, before+1)
		if last := w.told[before]; !last.Refused || last.InUse != 2 || last.Err == nil {
			t.Errorf("%s: told %+v", step, last)
		}
	}
	write(t, path, "bad")
	refused("a mistake in it")
	write(t, path, "unfit")
	refused("one that contradicts the contract")
	write(t, path, strings.Repeat("x", 65))
	refused("one that is too large")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("one that is gone")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	refused("one that is a directory")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "three")
	w.look()
	w.look()
	if w.used[len(w.used)-1] != "three" {
		t.Errorf("one that is good again is not used: %q", w.used)
	}
}

// A mounted ConfigMap is a link to a link to a directory; an update makes a new
// directory and renames a new link over the one between.
func TestAConfigMapIsFollowed(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, text string) {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "o.yaml"), text)
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..v1", "one")
	path := filepath.Join(dir, "o.yaml")
	if err := os.Symlink(filepath.Join("..data", "o.yaml"), path); err != nil {
		t.Fatal(err)
	}
	w := watchFile(t, path)
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	publish("..v2", "two three")
	w.look()
	w.look()
	w.check(t, "after the swap", 2, 2)
	if w.used[1] != "two three" {
		t.Errorf("used %q", w.used)
	}
}

func TestAFileThatIsNotThereIsAwaited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.yaml")
	w := watchFile(t, path)
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	w.look()
	w.look()
	w.check(t, "not there", 0, 1)
	write(t, path, "one")
	w.look()
	w.look()
	w.check(t, "there", 1, 2)
}

// Who was told that the file is gone is told when it is back, though it says
// what it said before.
func TestAFileThatIsBackIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.yaml")
	write(t, path, "one")
	w := watchFile(t, path)
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.look()
	w.look()
	w.check(t, "gone", 1, 2)
	write(t, path, "one")
	w.look()
	w.look()
	w.look()
	w.check(t, "back", 2, 3)
	if last := w.told[2]; last.Refused || last.Err != nil || last.InUse != 1 {
		t.Errorf("told %+v", last)
	}
}

func TestABadFileAtTheStartIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.yaml")
	for _, text := range []string{"bad", "unfit"} {
		write(t, path, text)
		w := watchFile(t, path)
		if err := w.start(); err == nil || !strings.Contains(err.Error(), "o:1: "+text) {
			t.Errorf("%s: %v", text, err)
		}
		w.check(t, text, 0, 0)
	}
}
