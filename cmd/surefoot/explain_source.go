package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxDescriptorSet bounds what is read into memory.
const maxDescriptorSet = 256 << 20

// fromDescriptorSet returns the services in a file of a FileDescriptorSet.
func fromDescriptorSet(name string) ([]protoreflect.ServiceDescriptor, error) {
	b, err := readAll(name, maxDescriptorSet)
	if err != nil {
		return nil, fmt.Errorf("--descriptor-set: %w", err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(b, set); err != nil || len(set.GetFile()) == 0 {
		return nil, fmt.Errorf("--descriptor-set: %s is no set of descriptors: write it with "+
			"protoc --include_imports --include_source_info -o %[1]s, or buf build -o %[1]s", name)
	}
	services, err := linkServices(set)
	if err != nil {
		return nil, fmt.Errorf("--descriptor-set: %s: %w", name, err)
	}
	return services, nil
}

// linkServices returns the services in set. Files that they import may be
// missing: a contract does not need the messages.
func linkServices(set *descriptorpb.FileDescriptorSet) ([]protoreflect.ServiceDescriptor, error) {
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	if err != nil {
		return nil, err
	}
	var services []protoreflect.ServiceDescriptor
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		services = append(services, servicesOf(fd)...)
		return true
	})
	return services, nil
}

func servicesOf(fd protoreflect.FileDescriptor) []protoreflect.ServiceDescriptor {
	var services []protoreflect.ServiceDescriptor
	for i := range fd.Services().Len() {
		services = append(services, fd.Services().Get(i))
	}
	return services
}

// fromProto compiles the .proto files below dir and returns their services.
func fromProto(ctx context.Context, dir string, imports []string) ([]protoreflect.ServiceDescriptor, error) {
	names, err := protoFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("--proto: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("--proto: no .proto file in %s: name the directory from which they are imported", dir)
	}
	var wrong []string
	missing := false
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: append([]string{dir}, imports...)},
			protocompile.WithStandardImports(protocompile.ResolverFunc(linkedFile)),
		},
		SourceInfoMode: protocompile.SourceInfoStandard | protocompile.SourceInfoExtraOptionLocations,
		Reporter: reporter.NewReporter(func(err reporter.ErrorWithPos) error {
			wrong = append(wrong, fmt.Sprintf("%v: %v", err.GetPosition(), err.Unwrap()))
			missing = missing || isMissing(err)
			return nil // on, to find them all
		}, nil),
	}
	files, err := compiler.Compile(ctx, names...)
	remedy := ""
	if missing || isMissing(err) {
		remedy = "\nsurefoot: give the root of the imports with --proto, and the directories of others' files with --import"
	}
	if copied := nested(names); copied != "" && (len(wrong) > 0 || err != nil) {
		return nil, fmt.Errorf("--proto: %s holds %s, so that it is not the root of all imports in it: "+
			"name the root of your own files, and the directories of others' files with --import", dir, copied)
	}
	if len(wrong) > 0 {
		return nil, exitError{exitUnable, strings.Join(wrong, "\n") + remedy}
	}
	if err != nil {
		return nil, fmt.Errorf("--proto: %w%s", err, remedy)
	}
	var services []protoreflect.ServiceDescriptor
	for _, fd := range files {
		services = append(services, servicesOf(fd)...)
	}
	return services, nil
}

// nested returns a copy of the options among names that is not where it is
// imported from, "" if there is none: it stands in another root of imports.
func nested(names []string) string {
	for _, name := range names {
		if strings.HasSuffix(name, "/surefoot/v1/options.proto") {
			return name
		}
	}
	return ""
}

// isMissing reports whether err is that a file was not found.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, protoregistry.NotFound)
}

// linkedFile finds surefoot/v1/options.proto, which need not be in the tree.
func linkedFile(name string) (protocompile.SearchResult, error) {
	if !strings.HasPrefix(name, "surefoot/") {
		return protocompile.SearchResult{}, protoregistry.NotFound
	}
	fd, err := protoregistry.GlobalFiles.FindFileByPath(name)
	return protocompile.SearchResult{Desc: fd}, err
}

// maxProtoFiles bounds a tree that was surely not meant.
const maxProtoFiles = 20_000

// protoFiles returns the paths of the .proto files below dir, relative to it.
func protoFiles(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".proto":
			return nil
		case len(names) == maxProtoFiles:
			return errors.New("more than 20000 .proto files in " + dir + ": name a smaller tree")
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}
