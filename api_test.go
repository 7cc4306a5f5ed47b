package surefoot_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestAPI compares what the public packages export with testdata/api.txt, so
// that a change of the API is seen in the diff of a change.
func TestAPI(t *testing.T) {
	var lines []string
	for _, p := range packages(t, "./...") {
		if isPublic(p) {
			lines = append(lines, exported(t, p)...)
		}
	}
	compareLines(t, "testdata/api.txt", lines,
		"The exported API changed. If that is meant, say so in CHANGELOG.md (a removed or changed line is Breaking) and run")
}

// isPublic reports whether users name p in their code. Generated code has no
// golden file, since the .proto is its API; scenarios are for the tool.
func isPublic(p listed) bool {
	path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, modulePath), "/")
	first, _, _ := strings.Cut(path, "/")
	return p.Name != "main" && !strings.Contains("/"+path+"/", "/internal/") && !slices.Contains([]string{"gen", "examples", "scenarios"}, first)
}

// TestDependencies compares the packages of other modules that a user of the
// root package compiles with testdata/deps.txt.
func TestDependencies(t *testing.T) {
	out := goTool(t, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	lines := slices.DeleteFunc(strings.Fields(string(out)), func(pkg string) bool {
		return pkg == modulePath || strings.HasPrefix(pkg, modulePath+"/")
	})
	compareLines(t, "testdata/deps.txt", lines,
		"What users compile changed. Each package costs every user; if that is meant, run")
}

// compareLines compares the sorted lines with those of a golden file.
func compareLines(t *testing.T, golden string, lines []string, advice string) {
	t.Helper()
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	var diff strings.Builder
	for _, line := range want {
		if !slices.Contains(lines, line) {
			fmt.Fprintf(&diff, "-%s\n", line)
		}
	}
	for _, line := range lines {
		if !slices.Contains(want, line) {
			fmt.Fprintf(&diff, "+%s\n", line)
		}
	}
	if diff.Len() > 0 {
		t.Errorf("%s\n\tgo test -run '%s' . -update\n\n%s", advice, t.Name(), diff.String())
	}
}

// exported returns a line for each name that p exports.
func exported(t *testing.T, p listed) []string {
	t.Helper()
	var lines []string
	fset := token.NewFileSet()
	add := func(format string, args ...any) {
		lines = append(lines, p.below()+": "+fmt.Sprintf(format, args...))
	}
	text := func(node any) string {
		var b bytes.Buffer
		if err := printer.Fprint(&b, fset, node); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				exportedFunc(decl, add, text)
			case *ast.GenDecl:
				exportedValues(decl, add, text)
			}
		}
	}
	return lines
}

func exportedFunc(f *ast.FuncDecl, add func(string, ...any), text func(any) string) {
	if !f.Name.IsExported() {
		return
	}
	f.Body, f.Doc = nil, nil
	if f.Recv != nil {
		receiver := strings.TrimLeft(text(f.Recv.List[0].Type), "*")
		if !ast.IsExported(receiver) {
			return
		}
	}
	add("%s", text(f))
}

func exportedValues(d *ast.GenDecl, add func(string, ...any), text func(any) string) {
	kind := "" // of a constant that repeats the type of the one above
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				exportedType(spec, add, text)
			}
		case *ast.ValueSpec:
			switch {
			case spec.Type != nil:
				kind = " " + text(spec.Type)
			case len(spec.Values) > 0:
				kind = ""
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					add("%s %s%s", d.Tok, name.Name, kind)
				}
			}
		}
	}
}

func exportedType(spec *ast.TypeSpec, add func(string, ...any), text func(any) string) {
	var (
		fields *ast.FieldList
		kind   string // struct or interface
	)
	switch of := spec.Type.(type) {
	case *ast.StructType:
		fields, kind = of.Fields, "struct"
	case *ast.InterfaceType:
		fields, kind = of.Methods, "interface"
	default:
		spec.Doc, spec.Comment = nil, nil
		add("type %s", text(spec))
		return
	}
	add("type %s %s", spec.Name.Name, kind)
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			add("type %s %s, embedded %s", spec.Name.Name, kind, text(field.Type))
		}
		for _, name := range field.Names {
			if name.IsExported() {
				add("type %s %s, %s %s", spec.Name.Name, kind, name.Name, text(field.Type))
			} else if kind == "interface" {
				add("type %s %s, sealed", spec.Name.Name, kind)
			}
		}
	}
}
