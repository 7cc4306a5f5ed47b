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

// String returns the names of the codes in s, in the order of their numbers.
func (s CodeSet) String() string {
	var names []string
	for c := range codes.Code(32) {
		if s.Has(c) {
			names = append(names, c.String())
		}
	}
	return "[" + strings.Join(names, " ") + "]"
}
