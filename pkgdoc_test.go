package surefoot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPackageComments wants exactly one package comment in each package that a
// person wrote, in its tests if it has nothing else.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t, "./...") {
		files := p.GoFiles
		if len(files) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		var commented []string
		generated := 0
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(file) {
				generated++
				continue
			}
			if file.Doc == nil {
				continue
			}
			commented = append(commented, name)
			if p.Name != "main" && !strings.HasPrefix(file.Doc.Text(), "Package "+file.Name.Name+" ") {
				t.Errorf("%s/%s: the package comment does not begin with \"Package %s\"", p.below(), name, file.Name.Name)
			}
		}
		if len(files) > generated && len(commented) != 1 {
			t.Errorf("%s has %d package comments %q, want one, in one of %q", p.below(), len(commented), commented, files)
		}
	}
}
