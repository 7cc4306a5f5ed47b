package surefoot_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages returns the text of every page of the project, by its path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != ".":
			return fs.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		b, err := os.ReadFile(path)
		out[filepath.ToSlash(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s:#]*)(?:#([^)\s]+))?\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	decision = regexp.MustCompile(`^docs/decisions/(\d{3})-`)
)

// anchors returns the names that the headings of a page can be linked by.
func anchors(text string) map[string]bool {
	out := make(map[string]bool)
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		out[strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return out
}

// Links between pages, and to files, lead somewhere.
func TestLinksOfPages(t *testing.T) {
	all, links := pages(t), 0
	for page, text := range all {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			to := page
			if l[1] != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(page), l[1]))
			}
			links++
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", page, l[1], err)
			} else if l[2] != "" && !anchors(all[to])[l[2]] {
				t.Errorf("%s links to %s, which has no heading %q", page, to, l[2])
			}
		}
	}
	if links < 40 {
		t.Errorf("only %d links found", links)
	}
}

// Each decision has a number of its own, and its page begins with it.
func TestDecisionsAreNumbered(t *testing.T) {
	by := make(map[string]string)
	for page, text := range pages(t) {
		m := decision.FindStringSubmatch(page)
		if m == nil {
			continue
		}
		if other, taken := by[m[1]]; taken {
			t.Errorf("%s and %s have the same number: give the later one the next that is free", page, other)
		}
		by[m[1]] = page
		if !strings.HasPrefix(text, "# "+m[1]+" ") {
			t.Errorf("%s does not begin with its number", page)
		}
	}
	if len(by) == 0 {
		t.Error("no decisions found")
	}
}

// Every page in docs/ can be found from the README.
func TestReadmeNamesEveryPage(t *testing.T) {
	all := pages(t)
	for page := range all {
		if filepath.Dir(page) == "docs" && !strings.Contains(all["README.md"], "("+page+")") {
			t.Errorf("the README does not name %s", page)
		}
	}
}
