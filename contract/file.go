package contract

import (
	"fmt"
	"strings"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A File is the contracts that one file holds, and where in it each of their
// values stands. Package contract/yaml reads one.
type File struct {
	// Name is the file's, as messages show it.
	Name string
	// Contracts are at most one for each service.
	Contracts []*surefootv1.Contract
	// Positions are of every value in Contracts. What is missing is reported at
	// the value that holds it.
	Positions map[Field]Position
}

// A Field names a value of a contract.
type Field struct {
	// Service is the full name of the service.
	Service string
	// Method is the bare name of the method, "" for what is said of the service.
	Method string
	// Path is the name of the field, with dots: "retry.max_attempts". "" is the
	// service or the method itself.
	Path string
}

// A Position is a place in a file. Lines and columns count from 1; zero is
// unknown.
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:column, as far as they are known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// position returns where f stands, or else what holds it; exact is whether it is
// f itself.
func (file *File) position(f Field) (pos Position, exact bool) {
	pos, exact = file.Positions[f]
	for at := f; !exact; {
		switch {
		case at.Path != "":
			at.Path = at.Path[:max(strings.LastIndexByte(at.Path, '.'), 0)]
		case at.Method != "":
			at.Method = ""
		default:
			return Position{File: file.Name}, false
		}
		if pos, held := file.Positions[at]; held {
			return pos, false
		}
	}
	return pos, true
}

// outside is a contract that is not in a .proto. The zero outside is none.
type outside struct {
	contract *surefootv1.Contract
	file     *File // nil if it was given in Go
}

// givenInGo is the source of a contract that is neither in a .proto nor in a
// file.
const givenInGo = "contract given in Go"

// place returns where the contract o is, over what in is the place of; the zero
// place if that is nothing.
func (o outside) place(in place) place {
	over := ""
	if in.source != "" {
		over = " over "
	}
	at := place{source: givenInGo + over + in.source, service: o.contract.GetServiceName()}
	if o.file == nil {
		return at
	}
	at.source = o.file.Name + over + in.source
	at.where = func(method, field string) string {
		pos, exact := o.file.position(Field{at.service, method, field})
		if exact || over == "" {
			return pos.String()
		}
		return pos.String() + over + in.of(method, field)
	}
	return at
}

// outsides returns every contract of s that is not in a .proto.
func (s Sources) outsides() []outside {
	var all []outside
	for _, c := range s.Contracts {
		all = append(all, outside{contract: c})
	}
	for _, f := range s.Files {
		for _, c := range f.Contracts {
			all = append(all, outside{c, f})
		}
	}
	return all
}
