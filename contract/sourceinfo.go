package contract

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// The numbers of the fields of descriptor.proto that lead to an option.
const (
	fileService      = 6
	serviceMethod    = 2
	serviceOptionsNo = 3
	methodOptionsNo  = 4
	idempotencyLevel = 34
)

// positionIn returns where in its .proto the service sd, or its method of this
// name, says field: a field of our options, or idempotency_level. It is the
// place of what holds the field if the descriptor knows no better, and the file
// if it has no places.
func positionIn(sd protoreflect.ServiceDescriptor, method, field string) Position {
	pos := Position{File: sd.ParentFile().Path()}
	path := protoreflect.SourcePath{fileService, int32(sd.Index())}
	var options protoreflect.MessageDescriptor
	if md := sd.Methods().ByName(protoreflect.Name(method)); md != nil {
		path = append(path, serviceMethod, int32(md.Index()))
		if field == "idempotency_level" {
			path = append(path, methodOptionsNo, idempotencyLevel)
		} else {
			path = append(path, methodOptionsNo, int32(surefootv1.E_Method.TypeDescriptor().Number()))
			options = surefootv1.E_Method.TypeDescriptor().Message()
		}
	} else {
		path = append(path, serviceOptionsNo, int32(surefootv1.E_Service.TypeDescriptor().Number()))
		options = surefootv1.E_Service.TypeDescriptor().Message()
	}
	for name := range strings.SplitSeq(field, ".") {
		if options == nil {
			break
		}
		fd := options.Fields().ByName(protoreflect.Name(name))
		if fd == nil || fd.IsMap() { // a oneof, or what has no place that can be told from others
			break
		}
		path = append(path, int32(fd.Number()))
		options = fd.Message()
	}
	locations := sd.ParentFile().SourceLocations()
	for ; len(path) > 1; path = path[:len(path)-1] {
		// The elements of a list have places, the list itself may have none.
		for _, p := range []protoreflect.SourcePath{path, append(slices.Clone(path), 0)} {
			if loc := locations.ByPath(p); loc.Path != nil {
				pos.Line, pos.Column = loc.StartLine+1, loc.StartColumn+1
				return pos
			}
		}
	}
	return pos
}
