package contract

import "google.golang.org/protobuf/reflect/protoreflect"

// pending are the fields of the language that this version does not obey yet.
// To set one is a mistake: what was written must not pass in silence.
var pending = map[protoreflect.FullName]bool{}
