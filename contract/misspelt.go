package contract

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/internal/nearest"
)

// Misspelt returns, as an [*Error], which contracts that are not in a .proto may
// be meant for service, which is about to be called for the first time, though
// they bear another name; nil if there are none. Such a name is nearly the same,
// and nobody knows its service: no .proto in the program declares it, and called
// says that no call of it was made. A service that is called without generated
// code is known by its calls alone.
func (t *Table) Misspelt(service string, called func(service string) bool) error {
	var p problems
	if t.contracts[protoreflect.FullName(service)].contract != nil {
		return nil
	}
	for _, o := range t.undescribed {
		name := o.contract.GetServiceName()
		if resembles(name, service) && !called(name) {
			p.add(o.place(place{}), "service_name", fmt.Sprintf("is %q, which no .proto in this program declares and of which no call was made; "+
				"%q is called and has no contract of that kind: write that name if it is meant, or else give that service a contract, which may be empty", name, service))
		}
	}
	return p.err()
}

// resembles reports whether one of two full names is the other, misspelt: its
// last word or its package, or without its package. Versions of a service are two
// services.
func resembles(a, b string) bool {
	if versionless(a) == versionless(b) {
		return a != b && strings.EqualFold(a, b)
	}
	pa, wa := cutLast(a)
	pb, wb := cutLast(b)
	switch {
	case strings.EqualFold(wa, wb):
		return pa == "" || pb == "" || near(pa, pb)
	case strings.EqualFold(pa, pb):
		return near(wa, wb)
	default:
		return false
	}
}

// near reports whether two words differ by a slip or two of the fingers.
func near(a, b string) bool {
	most := min(len(a), len(b), 4) / 2
	return max(len(a)-len(b), len(b)-len(a)) <= most && nearest.Distance(strings.ToLower(a), strings.ToLower(b)) <= most
}

// cutLast cuts the last word off a full name.
func cutLast(name string) (pkg, word string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

func versionless(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}
