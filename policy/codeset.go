package policy

import (
	"strings"

	"google.golang.org/grpc/codes"
)

// A CodeSet is a set of gRPC status codes. The zero CodeSet is empty.
type CodeSet uint32

// Codes returns the set of cs. Codes above 31 do not exist and are left out.
func Codes(cs ...codes.Code) CodeSet {
	var s CodeSet
	for _, c := range cs {
		if c < 32 {
			s |= 1 << c
		}
	}
	return s
}

// Has reports whether c is in s.
func (s CodeSet) Has(c codes.Code) bool { return c < 32 && s&(1<<c) != 0 }

// names are the names of the codes in the gRPC specification, which contracts
// use too. Those of [codes.Code] are Go's.
var names = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// String returns the names of the codes in s as contracts spell them, in the
// order of their numbers.
func (s CodeSet) String() string {
	var has []string
	for c := range codes.Code(32) {
		switch {
		case !s.Has(c):
		case int(c) < len(names):
			has = append(has, names[c])
		default:
			has = append(has, c.String())
		}
	}
	return "[" + strings.Join(has, " ") + "]"
}
